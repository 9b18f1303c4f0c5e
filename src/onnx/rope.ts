/**
 * A message under construction: pieces in memory and spans of files, none of which is read before
 * it is written. Lengths are known all along, so messages nest without copying.
 */
import { type Bytes, type FileSource, lengthOf, materialize } from "../ir/bytes.ts";
import { wireType } from "./cursor.ts";
import { type Slice, Source } from "./source.ts";
import { encodeText } from "./text.ts";

/** Longer pieces are referred to, shorter ones gathered. */
const shortPiece = 512;
const empty = Buffer.alloc(0);

export class Rope {
  length = 0;
  readonly #parts: Bytes[] = [];
  #gathered = empty;
  #used = 0;

  /** In order. */
  get parts(): readonly Bytes[] {
    this.#seal();
    return this.#parts;
  }

  /** The field `number` with this message as its value. */
  message(number: number, content: Rope): this {
    return this.#head(number, content.length).rope(content);
  }

  /** The same, of a message that may stay as it is in its file, but for its tag. */
  encoded(number: number, content: Slice | Rope): this {
    if (content instanceof Rope) return this.message(number, content);
    const { source, from, to } = content;
    return this.#head(number, to - from).span(source, from, to);
  }

  text(number: number, text: string): this {
    const { length } = text;
    if (length > shortPiece || !isAscii(text)) return this.bytes(number, encodeText(text));
    this.#head(number, length).#reserve(length);
    for (let i = 0; i < length; i++) this.#byte(text.charCodeAt(i));
    this.length += length;
    return this;
  }

  bytes(number: number, bytes: Uint8Array): this {
    return this.#head(number, bytes.length).memory(bytes);
  }

  data(number: number, data: Bytes): this {
    return this.#head(number, lengthOf(data)).part(data);
  }

  /** A varint field; negative numbers take ten bytes, as int32 and int64 do. */
  int(number: number, value: number | bigint): this {
    return this.#varint(number * 8 + wireType.varint).#varint(value);
  }

  float(number: number, value: number): this {
    this.#varint(number * 8 + wireType.fixed32);
    return this.memory(new Uint8Array(Float32Array.of(value).buffer));
  }

  /** A field as it stands in its file, its tag included. */
  field(slice: Slice): this {
    return this.span(slice.source, slice.start, slice.to);
  }

  rope(other: Rope): this {
    if (other.#parts.length === 0) return this.memory(other.#gathered.subarray(0, other.#used));
    for (const part of other.parts) this.part(part);
    return this;
  }

  part(part: Bytes): this {
    if (part.kind === "memory") return this.memory(part.data);
    if (part.kind === "file") return this.span(part.file, part.offset, part.offset + part.length);
    this.#seal();
    this.#parts.push(part);
    this.length += part.length;
    return this;
  }

  span(file: FileSource, from: number, to: number): this {
    if (from === to) return this;
    const held = file instanceof Source && file.disk === null;
    if (held && to - from <= shortPiece) return this.memory(file.read(from, to - from));
    this.#seal();
    this.length += to - from;
    const last = this.#parts.at(-1);
    const joins = last?.kind === "file" && last.file === file && last.offset + last.length === from;
    const offset = joins ? last.offset : from;
    if (joins) this.#parts.pop();
    this.#parts.push({ kind: "file", file, offset, length: to - offset });
    return this;
  }

  memory(bytes: Uint8Array): this {
    if (bytes.length > shortPiece) {
      this.#seal();
      this.#parts.push({ kind: "memory", data: bytes });
    } else {
      this.#reserve(bytes.length);
      this.#gathered.set(bytes, this.#used);
      this.#used += bytes.length;
    }
    this.length += bytes.length;
    return this;
  }

  /** All of it in memory. */
  flatten(): Uint8Array {
    const bytes = new Uint8Array(this.length);
    let at = 0;
    for (const part of this.parts) {
      bytes.set(materialize(part), at);
      at += lengthOf(part);
    }
    return bytes;
  }

  #head(number: number, length: number): this {
    return this.#varint(number * 8 + wireType.bytes).#varint(length);
  }

  #varint(value: number | bigint): this {
    this.#reserve(10);
    const before = this.#used;
    if (typeof value === "number" && value >= 0) {
      let rest = value;
      for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.#byte((rest % 0x80) | 0x80);
      this.#byte(rest);
    } else {
      let rest = BigInt.asUintN(64, BigInt(value));
      for (; rest >= 0x80n; rest >>= 7n) this.#byte(Number(rest & 0x7fn) | 0x80);
      this.#byte(Number(rest));
    }
    this.length += this.#used - before;
    return this;
  }

  #byte(byte: number): void {
    this.#gathered[this.#used++] = byte;
  }

  #reserve(count: number): void {
    if (this.#used + count <= this.#gathered.length) return;
    // Out of Node's pool: a piece of memory to itself costs more than all that is put into it.
    const grown = Buffer.allocUnsafe(Math.max(64, 2 * (this.#used + count)));
    if (this.#used > 0) this.#gathered.copy(grown, 0, 0, this.#used);
    this.#gathered = grown;
  }

  #seal(): void {
    if (this.#used === 0) return;
    this.#parts.push({ kind: "memory", data: this.#gathered.subarray(0, this.#used) });
    this.#gathered = empty;
    this.#used = 0;
  }
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) >= 0x80) return false;
  return true;
}
