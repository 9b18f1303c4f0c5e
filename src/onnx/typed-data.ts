/** The typed data fields of TensorProto (float_data, int32_data, ...) as raw_data, when needed. */
import type { Bytes } from "../ir/bytes.ts";
import { byteLength, type DType, dtypes } from "../ir/types.ts";
import { Cursor, wireType } from "./cursor.ts";
import { numbersOf } from "./schema.ts";
import { malformed, type Slice, type Source } from "./source.ts";

const proto = numbersOf("TensorProto");

/** The field that holds a type; all others are in int32_data. */
const fieldOf: Partial<Record<DType, number>> = {
  float32: proto.float_data,
  complex64: proto.float_data,
  float64: proto.double_data,
  complex128: proto.double_data,
  int64: proto.int64_data,
  uint32: proto.uint64_data,
  uint64: proto.uint64_data,
  string: proto.string_data,
};

export const typedFields = [
  proto.float_data,
  proto.double_data,
  proto.int32_data,
  proto.int64_data,
  proto.uint64_data,
  proto.string_data,
];

function isFixed(number: number): boolean {
  return number === proto.float_data || number === proto.double_data;
}

/** How many bits of raw_data one entry of a typed field stands for. */
function bitsOfEntry(dtype: DType): number {
  const { bits } = dtypes[dtype];
  if (dtype === "complex64" || dtype === "complex128") return bits / 2;
  return bits === 2 || bits === 4 ? 8 : bits;
}

/** The entries that `count` elements need. */
export function entriesNeeded(dtype: DType, count: number): number {
  if (dtype === "string") return count;
  return Math.ceil((count * dtypes[dtype].bits) / bitsOfEntry(dtype));
}

/** The entries that a TensorProto has, in the field that holds its type. */
export function countEntries(slice: Slice, dtype: DType): number {
  const number = fieldOf[dtype] ?? proto.int32_data;
  let count = 0;
  const field = new Cursor(slice);
  while (field.next()) {
    if (field.number !== number) continue;
    const length = field.to - field.from;
    if (dtype === "string") count += field.wire === wireType.bytes ? 1 : 0;
    else if (number === proto.float_data) count += length / 4;
    else if (number === proto.double_data) count += length / 8;
    else if (field.wire === wireType.bytes)
      count += countVarints(field.source, field.from, field.to);
    else if (field.wire === wireType.varint) count++;
  }
  return count;
}

function countVarints(source: Source, from: number, to: number): number {
  let count = 0;
  for (let at = from; at < to; ) {
    source.load(at, 1);
    const { buffer, base } = source;
    const end = Math.min(to - base, buffer.length);
    for (let i = at - base; i < end; i++) if (buffer[i]! < 0x80) count++;
    at = end + base;
  }
  return count;
}

/** @param slice the TensorProto, whose field holds as many entries as `count` elements need. */
export function typedData(slice: Slice, dtype: DType, count: number): Bytes {
  return {
    kind: "computed",
    length: byteLength(dtype, count),
    compute: () => convert(slice, dtype, count),
  };
}

function convert(slice: Slice, dtype: DType, count: number): Uint8Array {
  const number = fieldOf[dtype] ?? proto.int32_data;
  const fixed = isFixed(number);
  const sink = new BitSink(byteLength(dtype, count), bitsOfEntry(dtype));
  const field = new Cursor(slice);
  while (field.next()) {
    if (field.number !== number) continue;
    const { source, from, to, wire } = field;
    const packed = wire === wireType.bytes;
    if (fixed && (packed || wire === wireType.fixed32 || wire === wireType.fixed64)) {
      sink.copy(source.read(from, to - from));
    } else if (!fixed && wire === wireType.varint) sink.add(field.low, field.high);
    else if (!fixed && packed) {
      const entries = new Cursor(field);
      while (entries.more) {
        entries.varint();
        sink.add(entries.low, entries.high);
      }
    }
  }
  if (!sink.full) throw malformed(slice.source, slice.from, "a tensor lacks elements");
  return sink.bytes;
}

/** Entries of 6, 8, 16, 32 or 64 bits, one behind the other from the lowest bit on. */
class BitSink {
  readonly bytes: Uint8Array;
  readonly #width: number;
  #bit = 0;

  constructor(length: number, width: number) {
    this.bytes = new Uint8Array(length);
    this.#width = width;
  }

  get full(): boolean {
    return Math.ceil(this.#bit / 8) === this.bytes.length;
  }

  copy(bytes: Uint8Array): void {
    const at = this.#bit / 8;
    this.bytes.set(bytes.subarray(0, this.bytes.length - at), at);
    this.#bit += bytes.length * 8;
  }

  add(low: number, high: number): void {
    const at = this.#bit >>> 3;
    if (this.#width === 6) {
      const shifted = (low & 63) << (this.#bit & 7);
      this.bytes[at]! |= shifted & 0xff;
      if (shifted > 0xff) this.bytes[at + 1]! |= shifted >>> 8;
    } else {
      for (let i = 0; i < this.#width / 8; i++) {
        this.bytes[at + i] = (i < 4 ? low : high) >>> (8 * (i & 3));
      }
    }
    this.#bit += this.#width;
  }
}

/** string_data fields, each with its tag: the form in which string tensors keep their bytes. */
export function stringData(slice: Slice): Bytes {
  const extents: { from: number; to: number }[] = [];
  let length = 0;
  const field = new Cursor(slice);
  while (field.next()) {
    if (field.number !== proto.string_data || field.wire !== wireType.bytes) continue;
    extents.push({ from: field.start, to: field.to });
    length += field.to - field.start;
  }
  const { source } = slice;
  return {
    kind: "computed",
    length,
    compute: () => Buffer.concat(extents.map(({ from, to }) => source.read(from, to - from))),
  };
}
