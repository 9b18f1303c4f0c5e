/** Operators that choose between numbers, and what they choose by. */
import { broadcast, broadcasts, likeFirst, type OpLiteral, ranked } from "./op.ts";
import { flat, type UnaryVjpRequest, type Vjp, vjp } from "./vjp.ts";
import type { Wire } from "./wire.ts";

/** A pair shares what it ties at; of more, each is compared with the best of those before it. */
function extremum(better: (a: Wire, b: Wire) => Wire, best: (a: Wire, b: Wire) => Wire): Vjp {
  const split = (dy: Wire, x: readonly Wire[]): Wire[] => {
    if (x.length === 1) return [dy];
    const b = x.at(-1)!;
    const others = x.slice(0, -1);
    const a = others.reduce(best);
    const half = dy.mul(0.5).where(a.equal(b));
    const da = dy.grower.where(better(a, b), dy, half);
    const db = dy.grower.where(better(b, a), dy, half);
    return [...split(da, others), db];
  };
  return vjp(({ dy, x }) => split(dy, x));
}

/** What is clipped does not vary; at a bound it does. */
const clip: Vjp = vjp(({ dy, x: [x, low, high], y }: UnaryVjpRequest) => [
  dy.where(x!.equal(y)),
  low && dy.where(x!.less(low)),
  high && dy.where(x!.greater(high)),
]);

const compares = "Equal Greater GreaterOrEqual Less LessOrEqual";
const connectives = "And Or Xor";

export const choices: readonly OpLiteral[] = [
  {
    op: "Max",
    infer: broadcasts("Max"),
    vjp: extremum(
      (a, b) => a.greater(b),
      (a, b) => a.max(b),
    ),
  },
  {
    op: "Min",
    infer: broadcasts("Min"),
    vjp: extremum(
      (a, b) => a.less(b),
      (a, b) => a.min(b),
    ),
  },
  { op: "Clip", infer: likeFirst, vjp: clip },
  {
    op: "Where",
    infer: ranked((inputs) => [{ dtype: inputs[1]!.dtype, shape: broadcast("Where", inputs) }]),
    vjp: vjp(({ dy, x: [condition] }) => [null, dy.where(condition!), dy.unless(condition!)]),
  },
  ...compares.split(" ").map(
    (op): OpLiteral => ({
      op,
      infer: ranked((inputs) => [{ dtype: "bool", shape: broadcast(op, inputs) }]),
      vjp: flat,
    }),
  ),
  ...connectives.split(" ").map((op): OpLiteral => ({ op, infer: broadcasts(op), vjp: flat })),
  ...["IsNaN", "IsInf"].map(
    (op): OpLiteral => ({
      op,
      infer: ({ inputs: [x] }) => (x ? [{ dtype: "bool", shape: x.shape }] : null),
      vjp: flat,
    }),
  ),
];
