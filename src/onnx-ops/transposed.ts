/** Files of weights have matrices [out, in], models have them as their products read them. */
import { byteLength, type DType } from "../ir/types.ts";
import { wordsOf } from "./words.ts";

/** The elements of a matrix with rows and columns swapped; a dtype of whole bytes. */
export function transposed(
  bytes: Uint8Array,
  dtype: DType,
  [rows, columns]: readonly [number, number],
): Uint8Array {
  const size = byteLength(dtype, 1);
  const result = new Uint8Array(bytes.length);
  const from = wordsOf(bytes, size);
  const to = wordsOf(result, size);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      to[column * rows + row] = from[row * columns + column]!;
    }
  }
  return result;
}
