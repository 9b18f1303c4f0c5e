/**
 * Scratch files for what is inflated. They have no name any more when the first byte is written, so
 * nothing of them is left however the process ends.
 */
import { randomUUID } from "node:crypto";
import { closeSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { crc32, createInflateRaw } from "node:zlib";
import type { DiskFile } from "../../../src/onnx/disk-file.ts";
import { asWriteFailure } from "../../../src/onnx/temporary.ts";
import type { Positional } from "./stored.ts";

const chunk = 1 << 18;

export class ScratchFile implements Positional {
  readonly #descriptor: number;
  readonly #path: string;
  size = 0;
  crc32 = 0;

  constructor() {
    this.#path = join(tmpdir(), `graftc-${randomUUID()}`);
    try {
      this.#descriptor = openSync(this.#path, "wx+", 0o600);
      rmSync(this.#path);
    } catch (cause) {
      throw asWriteFailure(this.#path, cause);
    }
  }

  append(bytes: Uint8Array): void {
    try {
      for (let done = 0; done < bytes.length; ) {
        done += writeSync(this.#descriptor, bytes, done, bytes.length - done, this.size + done);
      }
    } catch (cause) {
      throw asWriteFailure(this.#path, cause);
    }
    this.size += bytes.length;
    this.crc32 = crc32(bytes, this.crc32);
  }

  readInto(target: Uint8Array, offset: number): void {
    for (let done = 0; done < target.length; ) {
      const count = readSync(this.#descriptor, target, done, target.length - done, offset + done);
      if (count === 0) throw new Error("a scratch file ends before its tensor");
      done += count;
    }
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}

/**
 * Inflates a stretch of a file, a chunk at a time.
 * @throws GraftError where the disk is full; the error of zlib where the stretch is damaged.
 */
export async function inflate(file: DiskFile, offset: number, length: number) {
  const scratch = new ScratchFile();
  function* chunks() {
    for (let at = 0; at < length; at += chunk) {
      yield file.read(offset + at, Math.min(chunk, length - at));
    }
  }
  try {
    await pipeline(chunks, createInflateRaw({ chunkSize: chunk }), async (inflated) => {
      for await (const bytes of inflated) scratch.append(bytes);
    });
  } catch (cause) {
    scratch.close();
    throw cause;
  }
  return scratch;
}
