/** Tensors of float16 as their bits: Node has arrays of such numbers from 24 on, and a Tensor then too. */
import type * as ort from "onnxruntime-node";

/** A plain object: what the constructor of a Tensor takes is another thing in each Node. */
export function halves(bits: Uint16Array, shape: readonly number[]): ort.Tensor {
  return { type: "float16", data: bits, dims: [...shape], location: "cpu" } as never;
}

export function bitsOf({ data }: Pick<ort.Tensor, "data">): Uint16Array {
  const { buffer, byteOffset, byteLength } = data as Uint16Array;
  return new Uint16Array(buffer, byteOffset, byteLength / 2);
}
