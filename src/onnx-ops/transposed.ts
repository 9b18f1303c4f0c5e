/** Files of weights have matrices [out, in], models have them as their products read them. */
import { byteLength, type DType } from "../ir/types.ts";

const words = { 1: Uint8Array, 2: Uint16Array, 4: Uint32Array, 8: BigUint64Array } as const;

/** The elements of a matrix with rows and columns swapped; a dtype of whole bytes. */
export function transposed(
  bytes: Uint8Array,
  dtype: DType,
  [rows, columns]: readonly [number, number],
): Uint8Array {
  const size = byteLength(dtype, 1) as keyof typeof words;
  const wordsOf = ({ buffer, byteOffset, length }: Uint8Array) =>
    new words[size](buffer as ArrayBuffer, byteOffset, length / size);
  const result = new Uint8Array(bytes.length);
  const [from, to] = [
    wordsOf(bytes.byteOffset % size === 0 ? bytes : new Uint8Array(bytes)),
    wordsOf(result),
  ];
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      to[column * rows + row] = from[row * columns + column]!;
    }
  }
  return result;
}
