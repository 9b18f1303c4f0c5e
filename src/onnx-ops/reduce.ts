/** Operators that fold axes into one. */
import type { Dim } from "../ir/types.ts";
import { axisOf, type InferRequest, type OpLiteral, type Ranked, ranked } from "./op.ts";

const reductions = "L1 L2 LogSum LogSumExp Max Mean Min Prod Sum SumSquare";

/** `keepdims` leaves a 1 where an axis was. */
function folded(x: Ranked, axes: ReadonlySet<number>, keep: boolean): readonly Dim[] {
  return x.shape.flatMap((dim, i) => (axes.has(i) ? (keep ? [1] : []) : [dim]));
}

/** Axes are an attribute in older versions of these operators and an input in newer ones. */
function axesOf(op: string, x: Ranked, { inputs, attributes }: InferRequest): Set<number> | null {
  const given = inputs[1] ? inputs[1].ints : attributes.ints("axes");
  if (inputs[1] && !given) return null;
  if (!given?.length) {
    const all = attributes.int("noop_with_empty_axes") ? [] : x.shape.map((_, i) => i);
    return new Set(all);
  }
  if (!given.every((axis) => typeof axis === "number")) return null;
  return new Set(given.map((axis) => axisOf(op, axis, x)));
}

export const reduce: readonly OpLiteral[] = [
  ...reductions.split(" ").map(
    (kind): OpLiteral => ({
      op: `Reduce${kind}`,
      infer: ranked(([x], request) => {
        const axes = x && axesOf(`Reduce${kind}`, x, request);
        if (!axes) return null;
        const keep = request.attributes.int("keepdims") !== 0;
        return [{ dtype: x.dtype, shape: folded(x, axes, keep) }];
      }),
    }),
  ),
  ...["ArgMax", "ArgMin"].map(
    (op): OpLiteral => ({
      op,
      infer: ranked(([x], { attributes }) => {
        if (!x) return null;
        const axis = axisOf(op, attributes.int("axis") ?? 0, x);
        const keep = attributes.int("keepdims") !== 0;
        return [{ dtype: "int64", shape: folded(x, new Set([axis]), keep) }];
      }),
    }),
  ),
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
  },
];
