/** The values of a tensor, whichever field or file they are in. */
import { materialize } from "../ir/bytes.ts";
import type { Initializer } from "../ir/graph.ts";
import { type DType, elements } from "../ir/types.ts";
import { decodeElements } from "../onnx-ops/elements.ts";

/**
 * The tensor as raw_data: little-endian, row-major, sub-byte types packed, of string tensors the
 * encoded string_data. Not to be written to: it may be what the file is held in.
 * @throws GraftError when a file has changed or cannot be read.
 */
export function tensorBytes(tensor: Initializer): Uint8Array {
  return materialize(tensor.data);
}

/** Sign, exponent and fraction of the small floats of ONNX, and what their last codes mean. */
interface MiniFloat {
  readonly exponent: number;
  readonly fraction: number;
  readonly bias: number;
  /** `ieee`: infinities and NaN; `nan`: all ones is NaN; `nuz`: minus zero is NaN. */
  readonly special: "ieee" | "nan" | "nuz" | "none";
}

const miniFloats: Partial<Record<DType, MiniFloat>> = {
  float8e4m3fn: { exponent: 4, fraction: 3, bias: 7, special: "nan" },
  float8e4m3fnuz: { exponent: 4, fraction: 3, bias: 8, special: "nuz" },
  float8e5m2: { exponent: 5, fraction: 2, bias: 15, special: "ieee" },
  float8e5m2fnuz: { exponent: 5, fraction: 2, bias: 16, special: "nuz" },
  float6e2m3: { exponent: 2, fraction: 3, bias: 1, special: "none" },
  float6e3m2: { exponent: 3, fraction: 2, bias: 3, special: "none" },
  float4e2m1: { exponent: 2, fraction: 1, bias: 1, special: "none" },
};

function miniFloat(code: number, { exponent, fraction, bias, special }: MiniFloat): number {
  const sign = code >> (exponent + fraction) ? -1 : 1;
  const e = (code >> fraction) & (2 ** exponent - 1);
  const f = code & (2 ** fraction - 1);
  const highest = e === 2 ** exponent - 1;
  if (special === "ieee" && highest) return f ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  if (special === "nan" && highest && f === 2 ** fraction - 1) return Number.NaN;
  if (special === "nuz" && sign < 0 && e === 0 && f === 0) return Number.NaN;
  const significand = e === 0 ? f / 2 ** fraction : 1 + f / 2 ** fraction;
  return sign * significand * 2 ** (Math.max(e, 1) - bias);
}

/** Elements narrower than a byte, and bytes that are floats: bits and what they mean. */
const codes: Partial<Record<DType, readonly [bits: number, value: (code: number) => number]>> = {
  uint4: [4, (code) => code],
  int4: [4, (code) => (code << 28) >> 28],
  uint2: [2, (code) => code],
  int2: [2, (code) => (code << 30) >> 30],
  float8e8m0: [8, (code) => (code === 255 ? Number.NaN : 2 ** (code - 127))],
  ...Object.fromEntries(
    Object.entries(miniFloats).map(([dtype, format]) => {
      const bits = 1 + format.exponent + format.fraction;
      return [dtype, [bits, (code: number) => miniFloat(code, format)]];
    }),
  ),
};

/**
 * The elements as numbers; complex ones as real and imaginary part in turn. int64 and uint64 beyond
 * 2^53 lose precision: for shapes and indices, not for hashes.
 * @throws Error for strings.
 */
export function tensorValues(tensor: Initializer): Float64Array {
  const bytes = tensorBytes(tensor);
  const code = codes[tensor.dtype];
  if (tensor.dtype === "complex64") return decodeElements("float32", bytes);
  if (tensor.dtype === "complex128") return decodeElements("float64", bytes);
  if (!code) return decodeElements(tensor.dtype, bytes);
  const [bits, value] = code;
  return Float64Array.from({ length: elements(tensor.shape) }, (_, i) => {
    const at = i * bits;
    const pair = bytes[at >> 3]! | ((bytes[(at >> 3) + 1] ?? 0) << 8);
    return value((pair >> (at & 7)) & (2 ** bits - 1));
  });
}
