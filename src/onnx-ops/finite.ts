/** Where elements are that are not finite. */
import { type DType, dtypes } from "../ir/types.ts";
import { numbersOf } from "./numbers.ts";

/** Finds an element at fault among those of one stretch; -1 for none. */
export type Fault = (bytes: Uint8Array) => number;

/** The least magnitudes that round to infinity. */
const overflow: Partial<Record<DType, number>> = {
  float16: 65520,
  bfloat16: 2 ** 128 - 2 ** 119,
  float32: 2 ** 128 - 2 ** 103,
};

/** The exponents of infinities and NaN, of types that are read as codes because it is faster. */
const exponents: Partial<Record<DType, number>> = { float16: 0x7c00, bfloat16: 0x7f80 };

/** Elements that are not finite, or would not be as ones of type `to`. */
export function notFinite(from: DType, to: DType): Fault {
  const exponent = exponents[from];
  if (exponent !== undefined && dtypes[to].bits > 16) {
    return (bytes) => {
      const codes = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2);
      for (let i = 0; i < codes.length; i++) if ((codes[i]! & exponent) === exponent) return i;
      return -1;
    };
  }
  const limit = overflow[to] ?? Number.POSITIVE_INFINITY;
  return (bytes) => {
    const values = numbersOf(from, bytes);
    for (let i = 0; i < values.length; i++) if (!(Math.abs(values[i]!) < limit)) return i;
    return -1;
  };
}

/** Where element `place` of a tensor is. */
export function indicesOf(place: number, shape: readonly number[]): number[] {
  let rest = place;
  return shape
    .toReversed()
    .map((size) => {
      const index = rest % size;
      rest = (rest - index) / size;
      return index;
    })
    .reverse();
}
