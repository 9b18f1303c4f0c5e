/** Activations: functions of one number with a bend. */
import { likeFirst, type OpLiteral } from "./op.ts";
import { type UnaryVjpRequest, type Vjp, vjp } from "./vjp.ts";
import type { Wire } from "./wire.ts";

interface Activation extends UnaryVjpRequest {
  /** Its x. */
  readonly a: Wire;
  /** An attribute that is a number. */
  number(name: string, otherwise: number): number;
}

type Slope = (request: Activation) => Wire;

/** From the schema of Selu. */
const seluAlpha = 1.6732631921768188;
const seluGamma = 1.0507010221481323;

const slopes: Readonly<Record<string, Slope>> = {
  Tanh: ({ dy, y }) => dy.mul(y.square().from(1)),
  Sigmoid: ({ dy, y }) => dy.mul(y.mul(y.from(1))),
  Softplus: ({ dy, a }) => dy.mul(a.sigmoid()),
  Softsign: ({ dy, y }) => dy.mul(y.abs().from(1).square()),
  Relu: ({ dy, y }) => dy.where(y.greater(0)),
  LeakyRelu: ({ dy, a, grower, number }) =>
    grower.where(a.greater(0), dy, dy.mul(number("alpha", 0.01))),
  Elu: ({ dy, a, y, grower, number }) =>
    grower.where(a.greater(0), dy, dy.mul(y.add(number("alpha", 1)))),
  Celu: ({ dy, y, number }) =>
    dy.mul(
      y
        .mul(1 / number("alpha", 1))
        .add(1)
        .min(1),
    ),
  Selu: ({ dy, a, y, grower, number }) => {
    const gamma = number("gamma", seluGamma);
    const bent = y.add(gamma * number("alpha", seluAlpha));
    return dy.mul(grower.where(a.greater(0), grower.scalar(a.dtype, gamma), bent));
  },
  Mish: ({ dy, a }) => {
    const t = a.unary("Softplus").tanh();
    return dy.mul(t.square().from(1).mul(a.sigmoid()).mul(a).add(t));
  },
  Swish: ({ dy, a, number, again }) => through(swish(a, number("alpha", 1)), dy, again),
  HardSigmoid: ({ dy, y, number }) => {
    return dy.mul(number("alpha", 0.2)).where(y.mul(y.from(1)).greater(0));
  },
  HardSwish: ({ dy, a, grower }) => {
    const inside = dy.mul(a.mul(1 / 3).add(0.5)).where(a.greater(-3));
    return grower.where(a.less(3), inside, dy);
  },
  ThresholdedRelu: ({ dy, a, number }) => dy.where(a.greater(number("alpha", 1))),
  Shrink: ({ dy, a, number }) => dy.where(a.abs().greater(number("lambd", 0.5))),
  Gelu: ({ dy, a, attributes, again }) =>
    through(attributes.string("approximate") === "tanh" ? tanhGelu(a) : gelu(a), dy, again),
};

/** An activation at x whose slope and value have most of their arithmetic in common. */
export interface Bend {
  readonly y: Wire;
  readonly slope: Wire;
}

/** The gradient through it; what else reads y there reads this one, so that none is kept. */
export function through({ y, slope }: Bend, dy: Wire, again: (y: Wire) => void): Wire {
  again(y);
  return dy.mul(slope);
}

/** x sigmoid(alpha x) */
export function swish(x: Wire, alpha: number): Bend {
  const s = x.mul(alpha).sigmoid();
  const y = x.mul(s);
  return { y, slope: s.from(1).mul(y).mul(alpha).add(s) };
}

/** x P(x), P the normal distribution: P + x P', with w = x / sqrt 2 and 2 P = 1 + erf w. */
export function gelu(x: Wire): Bend {
  const w = x.mul(Math.SQRT1_2);
  const density = w
    .square()
    .from(-Math.log(Math.sqrt(Math.PI)))
    .exp();
  const p = w.unary("Erf").add(1).mul(0.5);
  return { y: x.mul(p), slope: density.mul(w).add(p) };
}

/** x s(u) with s the sigmoid and u = 2 sqrt(2/pi) (x + 0.044715 x^3): s + y (1 - s) u'. */
export function tanhGelu(x: Wire): Bend {
  const k = 2 * Math.sqrt(2 / Math.PI);
  const square = x.square();
  const s = square
    .mul(0.044715 * k)
    .add(k)
    .mul(x)
    .sigmoid();
  const y = x.mul(s);
  const bend = square.mul(3 * 0.044715 * k).add(k);
  return { y, slope: s.from(1).mul(y).mul(bend).add(s) };
}

export const activations: readonly OpLiteral[] = [
  ...Object.entries(slopes).map(
    ([op, slope]): OpLiteral => ({ op, infer: likeFirst, vjp: slopeRule(slope) }),
  ),
  {
    op: "PRelu",
    infer: likeFirst,
    vjp: vjp(({ dy, x: [a, slope], grower }) => [
      grower.where(a!.greater(0), dy, dy.mul(slope!)),
      dy.mul(a!.min(0)),
    ]),
  },
];

function slopeRule(slope: Slope): Vjp {
  return vjp((request) => {
    const number = (name: string, otherwise: number) => request.attributes.float(name) ?? otherwise;
    return [slope({ ...request, a: request.x[0]!, number })];
  });
}
