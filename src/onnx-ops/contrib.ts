/** Operators of com.microsoft that ONNX Runtime's optimisers write into models. */
import { type Bend, gelu, swish, tanhGelu, through } from "./activations.ts";
import { centred, epsilonOf, type Normal, scaled, throughNormal, throughScale } from "./norms.ts";
import { type Infer, likeFirst, type OpLiteral, ranked } from "./op.ts";
import { skipNormEpsilon } from "./skip-norms.ts";
import { type Vjp, vjp } from "./vjp.ts";
import type { Wire } from "./wire.ts";

/** An activation of x, or of x + bias. */
function biased(bend: (x: Wire) => Bend): Vjp {
  return vjp(({ dy, x: [a, bias], again }) => {
    const dx = through(bend(bias ? a!.add(bias) : a!), dy, again);
    return [dx, bias && dx];
  });
}

interface Norm {
  readonly statistics: (x: Wire, axes: readonly number[], epsilon: number) => Normal;
  readonly through: (g: Wire, stats: Normal) => Wire;
  /** Whether it adds one. */
  readonly beta: boolean;
}

/** A norm of the sum of a stream, what joins it and a bias; the sum itself is output 3. */
function skipNorm({ statistics, through, beta }: Norm): Vjp {
  return ({ dy: [dy, , , dsum], x, attributes, output, grower }) => {
    const [, skip, gamma] = x;
    if (!dy) return [dsum, dsum, null, ...(beta ? [null] : []), dsum];
    const sum = output(3);
    const stats = statistics(sum, [sum.rank - 1], epsilonOf(attributes, skipNormEpsilon));
    const normed = through(dy.mul(gamma!), stats);
    const dx = grower.sum(dsum ? [dsum, normed] : [normed]);
    return [dx, skip && dx, dy.mul(stats.normal), ...(beta ? [dy] : []), dx];
  };
}

const skipNormTypes: Infer = ranked(([x], { outputs }) => {
  if (!x) return null;
  const whole = { dtype: x.dtype, shape: x.shape };
  const statistics = { dtype: "float32" as const, shape: x.shape.with(-1, 1) };
  return [whole, statistics, statistics, whole].slice(0, outputs);
});

const rules: Readonly<Record<string, Vjp>> = {
  Gelu: biased(gelu),
  BiasGelu: biased(gelu),
  FastGelu: biased(tanhGelu),
  QuickGelu: vjp(({ dy, x: [a], attributes, again }) => [
    through(swish(a!, attributes.float("alpha") ?? 1.702), dy, again),
  ]),
};

export const contrib: readonly OpLiteral[] = [
  ...Object.entries(rules).map(
    ([op, vjp]): OpLiteral => ({ op: `com.microsoft::${op}`, infer: likeFirst, vjp }),
  ),
  {
    op: "com.microsoft::SkipLayerNormalization",
    infer: skipNormTypes,
    vjp: skipNorm({ statistics: centred, through: throughNormal, beta: true }),
  },
  {
    op: "com.microsoft::SkipSimplifiedLayerNormalization",
    infer: skipNormTypes,
    vjp: skipNorm({ statistics: scaled, through: throughScale, beta: false }),
  },
];
