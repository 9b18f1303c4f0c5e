/** Numbers to and from the little-endian bytes of raw_data. */
import { type DType, dtypes } from "../ir/types.ts";

type Codec = {
  readonly size: number;
  write(view: DataView, at: number, value: number): void;
  read(view: DataView, at: number): number;
};

const scratch = new DataView(new ArrayBuffer(8));

/** Round-to-nearest-even to float16, from the float64 itself (no double rounding). */
export function float16Bits(value: number): number {
  scratch.setFloat64(0, value);
  const sign = scratch.getUint8(0) & 0x80 ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  if (Number.isNaN(value)) return 0x7e00;
  if (magnitude >= 65520) return sign | 0x7c00;
  if (magnitude < 2 ** -14) return sign | roundHalfEven(magnitude * 2 ** 24);
  const exponent = Math.floor(Math.log2(magnitude));
  const e =
    magnitude < 2 ** exponent
      ? exponent - 1
      : magnitude >= 2 ** (exponent + 1)
        ? exponent + 1
        : exponent;
  return sign + ((e + 15) << 10) + roundHalfEven((magnitude / 2 ** e - 1) * 1024);
}

export function float16Value(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24);
}

function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}

function bfloat16Bits(value: number): number {
  if (Number.isNaN(value)) return 0x7fc0;
  scratch.setFloat32(0, value);
  const bits = scratch.getUint32(0);
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

function bfloat16Value(bits: number): number {
  scratch.setUint32(0, bits << 16);
  return scratch.getFloat32(0);
}

const codecs: Partial<Record<DType, Codec>> = {
  float32: {
    size: 4,
    write: (v, at, x) => v.setFloat32(at, x, true),
    read: (v, at) => v.getFloat32(at, true),
  },
  float64: {
    size: 8,
    write: (v, at, x) => v.setFloat64(at, x, true),
    read: (v, at) => v.getFloat64(at, true),
  },
  float16: {
    size: 2,
    write: (v, at, x) => v.setUint16(at, float16Bits(x), true),
    read: (v, at) => float16Value(v.getUint16(at, true)),
  },
  bfloat16: {
    size: 2,
    write: (v, at, x) => v.setUint16(at, bfloat16Bits(x), true),
    read: (v, at) => bfloat16Value(v.getUint16(at, true)),
  },
  int64: {
    size: 8,
    write: (v, at, x) => v.setBigInt64(at, x >= 2 ** 63 ? 2n ** 63n - 1n : BigInt(x), true),
    read: (v, at) => Number(v.getBigInt64(at, true)),
  },
  uint64: {
    size: 8,
    write: (v, at, x) => v.setBigUint64(at, BigInt(x), true),
    read: (v, at) => Number(v.getBigUint64(at, true)),
  },
  int32: {
    size: 4,
    write: (v, at, x) => v.setInt32(at, x, true),
    read: (v, at) => v.getInt32(at, true),
  },
  uint32: {
    size: 4,
    write: (v, at, x) => v.setUint32(at, x, true),
    read: (v, at) => v.getUint32(at, true),
  },
  int16: {
    size: 2,
    write: (v, at, x) => v.setInt16(at, x, true),
    read: (v, at) => v.getInt16(at, true),
  },
  uint16: {
    size: 2,
    write: (v, at, x) => v.setUint16(at, x, true),
    read: (v, at) => v.getUint16(at, true),
  },
  int8: { size: 1, write: (v, at, x) => v.setInt8(at, x), read: (v, at) => v.getInt8(at) },
  uint8: { size: 1, write: (v, at, x) => v.setUint8(at, x), read: (v, at) => v.getUint8(at) },
  bool: {
    size: 1,
    write: (v, at, x) => v.setUint8(at, x ? 1 : 0),
    read: (v, at) => (v.getUint8(at) ? 1 : 0),
  },
};

function codecOf(dtype: DType): Codec {
  const codec = codecs[dtype];
  if (!codec) throw new Error(`elements of ${dtype} (${dtypes[dtype].bits} bits) have no numbers`);
  return codec;
}

const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** float16 rounds to nearest even from the float64. */
export function encodeElements(dtype: DType, values: ArrayLike<number>): Uint8Array {
  // Most weights are float32, and an array of them is what raw_data has.
  if (dtype === "float32" && littleEndian) return new Uint8Array(new Float32Array(values).buffer);
  const codec = codecOf(dtype);
  const bytes = new Uint8Array(values.length * codec.size);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < values.length; i++) codec.write(view, i * codec.size, values[i]!);
  return bytes;
}

/** int64 beyond 2^53 lose precision: read shapes and indices with it, not hashes. */
export function decodeElements(dtype: DType, bytes: Uint8Array): Float64Array {
  const codec = codecOf(dtype);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const values = new Float64Array(Math.floor(bytes.byteLength / codec.size));
  for (let i = 0; i < values.length; i++) values[i] = codec.read(view, i * codec.size);
  return values;
}
