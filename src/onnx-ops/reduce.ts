/** Operators that fold axes into one, or run along one. */
import type { Dim } from "../ir/types.ts";
import { scatterAdd } from "./adjoints.ts";
import type { Extent } from "./dims.ts";
import { axisOf, type InferRequest, likeFirst, type OpLiteral, type Ranked, ranked } from "./op.ts";
import { flat, type UnaryVjpRequest, type Vjp, vjp } from "./vjp.ts";
import type { Wire } from "./wire.ts";

/** `keepdims` leaves a 1 where an axis was. */
function folded<D extends Dim>(
  shape: readonly D[],
  axes: ReadonlySet<number>,
  keep: boolean,
): (D | 1)[] {
  return shape.flatMap((dim, i): (D | 1)[] => (axes.has(i) ? (keep ? [1] : []) : [dim]));
}

/** Axes are an attribute in older versions of these operators and an input in newer ones. */
function axesOf(
  op: string,
  x: Ranked,
  { inputs, attributes }: Pick<InferRequest, "inputs" | "attributes">,
): Set<number> | null {
  const given = inputs[1] ? inputs[1].ints : attributes.ints("axes");
  if (inputs[1] && !given) return null;
  if (!given?.length) {
    const all = attributes.int("noop_with_empty_axes") ? [] : x.shape.map((_, i) => i);
    return new Set(all);
  }
  if (!given.every((axis) => typeof axis === "number")) return null;
  return new Set(given.map((axis) => axisOf(op, axis, x)));
}

interface Folding extends UnaryVjpRequest {
  /** Its x. */
  readonly a: Wire;
  readonly axes: readonly number[];
}

/** dx; `dy` and `y` have a 1 where an axis was, and dx may have it too. */
type Slope = (request: Folding) => Wire;

/** What ties for the extremum shares it evenly. */
const extremum: Slope = ({ dy, a, y, axes }) => {
  const chosen = a.equal(y).cast(a.dtype);
  return chosen.mul(dy.div(chosen.sum(axes)));
};

/** The product of the others, which zeros among them make zero. */
const prod: Slope = ({ dy, a, axes, grower }) => {
  const zero = a.equal(0);
  const zeros = zero.cast(a.dtype);
  const nonzero = grower.where(zero, grower.scalar(a.dtype, 1), a);
  const others = nonzero.reduce("Prod", axes, true).div(nonzero);
  return dy.mul(others).where(zeros.sum(axes).sub(zeros).equal(0));
};

const slopes: Readonly<Record<string, Slope>> = {
  Sum: ({ dy }) => dy,
  Mean: ({ dy, a, axes, grower }) => dy.div(grower.count(sizesOf(a, axes), dy.dtype)),
  Max: extremum,
  Min: extremum,
  Prod: prod,
  L1: ({ dy, a }) => a.sign().mul(dy),
  // PyTorch's at 0.
  L2: ({ dy, a, y }) => a.mul(dy.div(y).unless(y.equal(0))),
  SumSquare: ({ dy, a }) => a.mul(dy.mul(2)),
  LogSum: ({ dy, y }) => dy.mul(y.neg().exp()),
  LogSumExp: ({ dy, a, y }) => a.sub(y).exp().mul(dy),
};

function sizesOf(x: Wire, axes: readonly number[]): Extent[] {
  return axes.map((axis) => x.shape[axis]!);
}

function reductionRule(op: string, slope: Slope): Vjp {
  return (request) => {
    const { x, attributes } = request;
    const a = x[0]!;
    const axes = axesOf(op, a, { inputs: x, attributes });
    if (!axes) return request.refuse("its axes are computed");
    const wide = (wire: Wire) => wire.reshape(folded(a.shape, axes, true));
    const rule = vjp(({ dy, y, ...rest }) => [
      slope({ ...rest, dy: wide(dy), y: wide(y), a, axes: [...axes] }),
    ]);
    return rule(request);
  };
}

export const reduce: readonly OpLiteral[] = [
  ...Object.entries(slopes).map(
    ([kind, slope]): OpLiteral => ({
      op: `Reduce${kind}`,
      infer: ranked(([x], request) => {
        const axes = x && axesOf(`Reduce${kind}`, x, request);
        if (!axes) return null;
        const keep = request.attributes.int("keepdims") !== 0;
        return [{ dtype: x.dtype, shape: folded(x.shape, axes, keep) }];
      }),
      vjp: reductionRule(`Reduce${kind}`, slope),
    }),
  ),
  ...["ArgMax", "ArgMin"].map(
    (op): OpLiteral => ({
      op,
      infer: ranked(([x], { attributes }) => {
        if (!x) return null;
        const axis = axisOf(op, attributes.int("axis") ?? 0, x);
        const keep = attributes.int("keepdims") !== 0;
        return [{ dtype: "int64", shape: folded(x.shape, new Set([axis]), keep) }];
      }),
      vjp: flat,
    }),
  ),
  {
    op: "CumSum",
    infer: likeFirst,
    vjp: vjp(({ dy, x: [, axis], attributes, grower }) => [
      grower.one("CumSum", [dy, axis!], {
        attributes: {
          exclusive: attributes.int("exclusive") ?? 0,
          reverse: 1 - (attributes.int("reverse") ?? 0),
        },
      }),
    ]),
  },
  { op: "CumProd", infer: likeFirst },
  {
    op: "TopK",
    infer: ranked(([x, k], { attributes }) => {
      if (!x) return null;
      const axis = axisOf("TopK", attributes.int("axis") ?? -1, x);
      const shape = x.shape.with(axis, k?.ints?.[0] ?? null);
      return [
        { dtype: x.dtype, shape },
        { dtype: "int64", shape },
      ];
    }),
    vjp: ({ dy, x: [x], output, attributes }) => {
      return [dy[0] && scatterAdd(x!, output(1), dy[0], attributes.int("axis") ?? -1)];
    },
  },
];
