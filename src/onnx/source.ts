/**
 * An encoded model as a sequence of bytes of which only a window has to be in memory: small files
 * are held whole, of large ones one stretch at a time, so that weights inside a protobuf of 2 GB
 * are stepped over.
 */
import { readSync } from "node:fs";
import { fail } from "../diag/diagnostic.ts";
import type { FileSource } from "../ir/bytes.ts";
import { asReadFailure, type DiskFile } from "./disk-file.ts";
import { decodeText } from "./text.ts";

const windowSize = 1 << 17;
/** No name, scope or description is longer; a length beyond it is damage, not text. */
const longestText = 1 << 28;

/** The extent of one message or field value in a source. */
export interface Slice {
  readonly source: Source;
  /** Where the tag of the field begins; equal to `from` where there is none. */
  readonly start: number;
  readonly from: number;
  readonly to: number;
}

export class Source implements FileSource {
  readonly path: string;
  readonly size: number;
  /** Null where all of it is in `buffer`. */
  readonly disk: DiskFile | null;
  /** The window: bytes from `base` on. */
  buffer: Buffer;
  base = 0;

  private constructor(path: string, size: number, disk: DiskFile | null, buffer: Buffer) {
    this.path = path;
    this.size = size;
    this.disk = disk;
    this.buffer = buffer;
  }

  static hold(path: string, bytes: Uint8Array): Source {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return new Source(path, buffer.length, null, buffer);
  }

  static overWindow(disk: DiskFile): Source {
    return new Source(disk.path, disk.size, disk, Buffer.alloc(0));
  }

  /** The whole of it, as a message without a tag. */
  get slice(): Slice {
    return { source: this, start: 0, from: 0, to: this.size };
  }

  /** Brings `count` bytes at `at` into the window, or as many as there are. */
  load(at: number, count: number): void {
    if (at >= this.base && at + count <= this.base + this.buffer.length) return;
    if (!this.disk) return;
    const length = Math.min(Math.max(count, windowSize), this.size - at);
    if (at === this.base && length === this.buffer.length) return;
    const buffer = Buffer.allocUnsafe(Math.max(length, 0));
    const descriptor = this.disk.acquire();
    try {
      for (let done = 0; done < length; ) {
        const got = readSync(descriptor, buffer, done, length - done, at + done);
        if (got === 0) throw fail("input-changed", { path: this.path });
        done += got;
      }
    } catch (cause) {
      throw asReadFailure(this.path, cause);
    } finally {
      this.disk.release();
    }
    this.buffer = buffer;
    this.base = at;
  }

  /** Not to be written to: small sources hand out what they hold. */
  read(offset: number, length: number): Uint8Array {
    if (this.disk) return this.disk.read(offset, length);
    return this.buffer.subarray(offset, offset + length);
  }

  text(from: number, to: number): string {
    if (to - from > longestText) throw malformed(this, from, "a text is longer than 256 MB");
    this.load(from, to - from);
    return decodeText(this.buffer, from - this.base, to - this.base);
  }
}

export function malformed(source: Source, at: number, why: string) {
  return fail("model-malformed", { path: source.path, why, at });
}
