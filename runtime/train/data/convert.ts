/** Samples in the element type that the model takes. */
import { type DType, dtypes } from "../../../src/ir/types.ts";
import { encodeElements } from "../../../src/onnx-ops/elements.ts";
import { filled, numbersOf } from "../../../src/onnx-ops/numbers.ts";

/** What an input is to the model: what is learnt, what it depends on, or neither. */
export type Role = "sample" | "condition" | "other";

/** Samples in, samples out: little-endian both, at the beginning of their buffers. */
export type Conversion = (bytes: Uint8Array) => Uint8Array;

const keep: Conversion = (bytes) => bytes;
const imageScale = 127.5;

/**
 * How samples of type `from` become ones of type `to`; null where they do not. Floating-point numbers
 * and whole ones each turn into others of their kind, whole ones that are no sample into
 * floating-point ones, and a sample of uint8 is an image, whose 0 to 255 become -1 to 1.
 */
export function conversionOf(from: DType, to: DType, role: Role): Conversion | null {
  if (from === to) return keep;
  const image = from === "uint8" && role === "sample" && dtypes[to].float;
  if (image) return (bytes) => encode(to, imageValues(bytes));
  if (from === "bool" || to === "bool") return null;
  if (dtypes[from].float && !dtypes[to].float) return null;
  if (!dtypes[from].float && dtypes[to].float && role === "sample") return null;
  return (bytes) => encode(to, numbersOf(from, bytes));
}

const imageTable = Float64Array.from({ length: 256 }, (_, level) => level / imageScale - 1);

function imageValues(levels: Uint8Array): Float64Array {
  const out = new Float64Array(levels.length);
  for (let i = 0; i < levels.length; i++) out[i] = imageTable[levels[i]!]!;
  return out;
}

function encode(to: DType, values: ArrayLike<number>): Uint8Array {
  if (to === "float32") return bytesOf(new Float32Array(values));
  if (to === "int64") return bytesOf(filled(values, BigInt, BigInt64Array));
  return encodeElements(to, values);
}

function bytesOf(array: Float32Array | BigInt64Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
