/** Values that go in and out of sessions. */

import type { DType } from "../../src/ir/types.ts";
import { decodeElements, encodeElements } from "../../src/onnx-ops/elements.ts";

export interface Tensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Little-endian, row-major, as raw_data has them. */
  readonly data: Uint8Array;
}

export type Tensors = ReadonlyMap<string, Tensor>;

/** A tensor of these numbers, rounded to `dtype`. */
export function tensorOf(
  dtype: DType,
  shape: readonly number[],
  values: ArrayLike<number>,
): Tensor {
  return { dtype, shape, data: encodeElements(dtype, values) };
}

export function valuesOf(tensor: Tensor): Float64Array {
  return decodeElements(tensor.dtype, tensor.data);
}
