/** Which units matter: the rule by which resize shrinks. */
import { materialize } from "../../src/ir/bytes.ts";
import type { Initializer } from "../../src/ir/graph.ts";
import { elements } from "../../src/ir/types.ts";
import { decodeElements } from "../../src/onnx-ops/elements.ts";
import type { Mark } from "./marks.ts";

export interface Projection {
  readonly tensor: Initializer;
  readonly mark: Mark;
}

/**
 * The `count` most important units in their old order. Importance of unit j is the norm of its rows
 * in all input projections times the norm of its columns in the output projections; of equal ones
 * the lower index stays.
 */
export function mostImportant(
  inputs: readonly Projection[],
  outputs: readonly Projection[],
  units: number,
  count: number,
): readonly number[] {
  const [rows, columns] = [squares(inputs, units), squares(outputs, units)];
  const importance = rows.map((sum, j) => Math.sqrt(sum) * Math.sqrt(columns[j]!));
  return Array.from({ length: units }, (_, j) => j)
    .sort((a, b) => importance[b]! - importance[a]! || a - b)
    .slice(0, count)
    .sort((a, b) => a - b);
}

/** Sum of squares of each unit's elements, in float64. */
function squares(projections: readonly Projection[], units: number): Float64Array {
  const sums = new Float64Array(units);
  for (const { tensor, mark } of projections) {
    const values = decodeElements(tensor.dtype, materialize(tensor.data));
    const size = tensor.shape[mark.axis]!;
    const run = elements(tensor.shape.slice(mark.axis + 1));
    for (let at = 0, i = 0; at < values.length; i = (i + 1) % size) {
      const unit = Math.floor(i / mark.inner) % units;
      let sum = 0;
      for (const end = at + run; at < end; at++) sum += values[at]! * values[at]!;
      sums[unit] = sums[unit]! + sum;
    }
  }
  return sums;
}
