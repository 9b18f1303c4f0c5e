/** The token grid, where tokens are the patches of an image and nothing else. */
import type { Dim } from "../ir/types.ts";
import { multiplyDims } from "../onnx-ops/dims.ts";
import type { Wire } from "./flow.ts";

const farthest = 48;

/**
 * Rows and columns of the patches that a stream starts from: the two last sizes of a convolution, or
 * two neighbouring axes of a rearrangement, whose product is the number of tokens.
 */
export function gridOf(input: Wire, tokens: Dim): readonly [Dim, Dim] | null {
  if (tokens === null) return null;
  const seen = new Set<Wire>([input]);
  const open = [input];
  for (let wire = open.shift(); wire && seen.size < farthest; wire = open.shift()) {
    const op = wire.from;
    if (!op) continue;
    const shape = wire.value?.type?.shape;
    if (op.type === "Conv" && shape?.length === 4) {
      const [rows, columns] = [shape[2]!, shape[3]!];
      // Both products in the one form that dims.ts writes.
      return multiplyDims(rows, columns) === multiplyDims(tokens, 1) ? [rows, columns] : null;
    }
    for (const next of op.data) {
      if (seen.has(next)) continue;
      seen.add(next);
      open.push(next);
    }
  }
  return null;
}
