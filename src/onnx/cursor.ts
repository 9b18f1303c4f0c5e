/** Steps over the fields of one encoded message without looking into them. */
import { malformed, type Slice, type Source } from "./source.ts";

export const wireType = { varint: 0, fixed64: 1, bytes: 2, group: 3, endGroup: 4, fixed32: 5 };

const deepestGroup = 64;

/**
 *   const field = new Cursor(slice);
 *   while (field.next()) if (field.number === 3) name = field.text();
 *
 * A cursor is itself the slice of the field that it stands on: `new Cursor(field)` steps into it.
 * @throws GraftError where the encoding is damaged.
 */
export class Cursor {
  readonly source: Source;
  number: number;
  wire: number;
  /** Where the field's tag begins, where its value begins and ends. */
  start: number;
  from: number;
  to: number;
  /** Halves of the last varint, that of the value where `wire` is varint. */
  low: number;
  high: number;
  private at: number;
  private readonly end: number;

  constructor({ source, from, to }: Slice) {
    this.source = source;
    this.number = 0;
    this.wire = 0;
    this.start = 0;
    this.from = 0;
    this.to = 0;
    this.low = 0;
    this.high = 0;
    this.at = from;
    this.end = to;
  }

  next(): boolean {
    if (this.at >= this.end) return false;
    this.start = this.at;
    this.tag();
    if (this.wire === wireType.group) this.skipGroup();
    else this.skipValue();
    this.to = this.at;
    return true;
  }

  /** Reads the next bytes as a varint, whatever they belong to: for packed fields. */
  varint(): void {
    const { source, at: first } = this;
    source.load(first, Math.min(10, this.end - first));
    const { buffer, base } = source;
    const byte = buffer[first - base]!;
    if (byte < 0x80 && first < this.end) {
      this.low = byte;
      this.high = 0;
      this.at = first + 1;
    } else this.longVarint(buffer, first - base, Math.min(this.end - base, buffer.length));
  }

  private longVarint(buffer: Buffer, first: number, end: number): void {
    let low = 0;
    let high = 0;
    let at = first;
    for (let shift = 0; ; shift += 7) {
      if (at >= end) throw malformed(this.source, this.at, "it ends in the middle of a number");
      if (shift > 63) throw malformed(this.source, this.at, "a number has more than ten bytes");
      const byte = buffer[at++]!;
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high = bits >>> 4;
      } else high |= bits << (shift - 32);
      if (byte < 0x80) break;
    }
    this.low = low >>> 0;
    this.high = high >>> 0;
    this.at += at - first;
  }

  get more(): boolean {
    return this.at < this.end;
  }

  /** The varint as a signed number; exact to 2^53. */
  int(): number {
    // Most are short, and stay integers inside of V8 without the multiplication.
    return this.high === 0 ? this.low : (this.high | 0) * 2 ** 32 + this.low;
  }

  /** Appends the elements of a repeated field, packed or not. */
  ints(list: number[]): void {
    if (this.wire === wireType.varint) list.push(this.int());
    else if (this.wire === wireType.bytes) {
      const packed = new Cursor(this);
      while (packed.more) {
        packed.varint();
        list.push(packed.int());
      }
    }
  }

  bigint(): bigint {
    const number = this.int();
    if (Number.isSafeInteger(number)) return BigInt(number);
    return (BigInt(this.high | 0) << 32n) | BigInt(this.low);
  }

  float(at = this.from): number {
    this.source.load(at, 4);
    return this.source.buffer.readFloatLE(at - this.source.base);
  }

  text(): string {
    return this.source.text(this.from, this.to);
  }

  /** The present field, to be kept. */
  slice(): Slice {
    return { source: this.source, start: this.start, from: this.from, to: this.to };
  }

  private tag(): void {
    this.varint();
    this.wire = this.low & 7;
    this.number = this.low >>> 3;
    if (this.number === 0 || this.high !== 0) {
      throw malformed(this.source, this.start, "a field has no number");
    }
  }

  private skipValue(): void {
    this.from = this.at;
    if (this.wire === wireType.varint) this.varint();
    else if (this.wire === wireType.bytes) {
      this.varint();
      this.skip(this.int());
    } else if (this.wire === wireType.fixed32) this.skip(4);
    else if (this.wire === wireType.fixed64) this.skip(8);
    else throw malformed(this.source, this.start, "a field has a wire type that does not exist");
  }

  private skip(count: number): void {
    this.from = this.at;
    this.at += count;
    if (count < 0 || this.at > this.end) {
      throw malformed(this.source, this.start, "it ends in the middle of a field");
    }
  }

  /** Groups went out of use before ONNX began, so only unknown fields can be some. */
  private skipGroup(): void {
    const { start, number } = this;
    const from = this.at;
    const nesting = [number];
    while (nesting.length > 0) {
      if (this.at >= this.end || nesting.length > deepestGroup) {
        throw malformed(this.source, start, "a group does not end");
      }
      this.tag();
      if (this.wire === wireType.group) nesting.push(this.number);
      else if (this.wire !== wireType.endGroup) this.skipValue();
      else if (nesting.pop() !== this.number) {
        throw malformed(this.source, start, "a group ends another one");
      }
    }
    this.start = start;
    this.number = number;
    this.wire = wireType.group;
    this.from = from;
  }
}
