/** Arithmetic on operands that broadcast as NumPy's do. */
import { broadcasts, likeFirst, type OpLiteral } from "./op.ts";
import { type Vjp, vjp } from "./vjp.ts";
import type { Wire } from "./wire.ts";

/** The slope of x^k for some k, in fewer passes than Pow takes. */
const slopes = new Map<number, (x: Wire, y: Wire) => Wire>([
  [2, (x) => x.mul(2)],
  [3, (x) => x.square().mul(3)],
  [0.5, (_, y) => y.reciprocal().mul(0.5)],
  [-0.5, (x, y) => y.div(x).mul(-0.5)],
  [-1, (_, y) => y.square().neg()],
]);

/** PyTorch's at 0: x^0 is flat, and 0^k does not vary with k. */
const pow: Vjp = vjp(({ dy, x: [a, exponent], y, grower, wants }) => {
  const b = exponent!.cast(a!.dtype);
  const k = b.count === 1 && !wants(1) ? b.known?.[0] : undefined;
  const slope =
    k === undefined
      ? a!.pow(b.sub(1)).mul(b).unless(b.equal(0))
      : (slopes.get(k)?.(a!, y) ?? a!.pow(k - 1).mul(k));
  const log = grower.where(a!.equal(0), a!, a!.log());
  return [dy.mul(slope), dy.mul(y).mul(log)];
});

const rules: Readonly<Record<string, Vjp>> = {
  Add: vjp(({ dy }) => [dy, dy]),
  Sub: vjp(({ dy, x: [, b] }) => [dy, dy.sumTo(b!.shape).neg()]),
  Mul: vjp(({ dy, x: [a, b] }) => [dy.mul(b!), dy.mul(a!)]),
  Div: vjp(({ dy, x: [, b], y }) => {
    const da = dy.div(b!);
    return [da, da.mul(y).sumTo(b!.shape).neg()];
  }),
  Pow: pow,
  // y = a - b trunc(a / b), or floor in the place of trunc.
  Mod: vjp(({ dy, x: [a, b], y }) => [dy, dy.mul(y.sub(a!).div(b!))]),
  Sum: vjp(({ dy, x }) => x.map(() => dy)),
  Mean: vjp(({ dy, x }) => {
    const share = dy.mul(1 / x.length);
    return x.map(() => share);
  }),
};

export const arithmetic: readonly OpLiteral[] = [
  ...Object.entries(rules).map(([op, vjp]): OpLiteral => ({ op, infer: broadcasts(op), vjp })),
  { op: "Neg", infer: likeFirst, vjp: vjp(({ dy }) => [dy.neg()]) },
  ...["BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor"].map(
    (op): OpLiteral => ({ op, infer: broadcasts(op) }),
  ),
  { op: "BitwiseNot", infer: likeFirst },
];
