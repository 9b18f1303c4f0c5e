/** A tensor of a file of weights as the model keeps it. */
import { type Bytes, materialize } from "../../src/ir/bytes.ts";
import type { Initializer } from "../../src/ir/graph.ts";
import { byteLength, elements } from "../../src/ir/types.ts";
import type { StoredTensor } from "../../src/onnx/index.ts";
import { decodeElements, encodeElements } from "../../src/onnx-ops/elements.ts";
import { transposed } from "../../src/onnx-ops/transposed.ts";

/**
 * Its elements in the type and the layout of `target`, made when they are written; the same span of
 * the file where nothing has to be turned or rounded.
 */
export function asStored(
  { dtype, shape, data }: StoredTensor,
  target: Pick<Initializer, "dtype" | "shape">,
  layout: "in,out" | "out,in" | null,
): Bytes {
  const turned = layout === "in,out";
  if (!turned && dtype === target.dtype) return data;
  return {
    kind: "computed",
    length: byteLength(target.dtype, elements(target.shape)),
    compute() {
      const bytes = materialize(data);
      const inOrder = turned ? transposed(bytes, dtype, shape as [number, number]) : bytes;
      if (dtype === target.dtype) return inOrder;
      return encodeElements(target.dtype, decodeElements(dtype, inOrder));
    },
  };
}
