/** A bias added behind a split: optimizers multiply by q, k and v at once and leave their biases be. */
import type { Constants } from "./constants.ts";
import type { Layout } from "./layout.ts";
import type { LinearMap } from "./linears.ts";
import type { Segment } from "./region.ts";
import { shapeOf, vectorOf } from "./weights.ts";

/**
 * The map with the bias that a segment adds, where that is a constant on a stretch of its rows that
 * `layout` has, in order, on the last axis; null where the segment is anything else.
 */
export function withLateBias(
  map: LinearMap,
  layout: Layout,
  features: number,
  { ops, from }: Segment,
  constants: Constants,
): LinearMap | null {
  const [op] = ops;
  if (ops.length !== 1 || op!.type !== "Add" || map.bias || map.biasInput) return null;
  const other = op!.inputs.find((wire) => wire && wire !== from);
  const [rows, ...more] = layout.axes.at(-1) ?? [];
  if (!other || more.length > 0 || rows?.axis !== features || rows.stride !== 1) return null;
  if (typeof rows.size !== "number" || shapeOf(other, constants)?.at(-1) !== rows.size) return null;
  const bias = vectorOf(other, rows.size, constants);
  if (!bias) return null;
  const firstBias = (bias.cut?.start ?? 0) - (layout.offsets.get(features) ?? 0);
  const weightOps = [...map.weightOps, ...bias.ops];
  return { ...map, bias: bias.value, firstBias, ops: [...map.ops, op!], weightOps };
}
