/** Writes bytes to their places in a file: short pieces gathered, long stretches copied. */
import { writeSync } from "node:fs";
import { breath } from "../ir/breath.ts";
import { lengthOf, materialize } from "../ir/bytes.ts";
import { type Copy, type Stretch, startCopy } from "./copy-thread.ts";
import { DiskFile } from "./disk-file.ts";
import type { Segment } from "./layout.ts";
import { Source } from "./source.ts";
import { asWriteFailure } from "./temporary.ts";

const gatherSize = 1 << 20;
/** Longer stretches of files go to the copying thread. */
const longStretch = 1 << 16;
/** Descriptors that one copy holds. */
const filesAtOnce = 64;

export interface Watch {
  /** Called with the bytes written since the last call. */
  advance(count: number): void;
  readonly signal: AbortSignal | undefined;
}

/** @param segments in order of their places, without overlaps. */
export async function writeSegments(
  descriptor: number,
  path: string,
  segments: readonly Segment[],
  watch: Watch,
): Promise<void> {
  const gathered = new Gathered(descriptor, path);
  const stretches: Stretch[] = [];
  for (const { bytes, at } of segments) {
    const disk = bytes.kind === "file" ? diskOf(bytes.file) : null;
    if (bytes.kind === "file" && disk && bytes.length >= longStretch) {
      stretches.push({ file: disk, offset: bytes.offset, length: bytes.length, at });
      continue;
    }
    gathered.put(materialize(bytes), at);
    watch.advance(lengthOf(bytes));
    if (lengthOf(bytes) >= longStretch) await breath(watch.signal);
  }
  gathered.flush();
  for (const batch of batches(stretches)) await watched(startCopy(batch, descriptor, path), watch);
}

/** Waits for a copy, reporting its progress and stopping it when the work is interrupted. */
export async function watched(copy: Copy, { advance, signal }: Watch): Promise<void> {
  let reported = 0;
  const report = () => {
    advance(copy.copied - reported);
    reported = copy.copied;
  };
  const stop = () => copy.stopAt(0);
  const timer = setInterval(report, 50);
  signal?.addEventListener("abort", stop);
  try {
    await copy.done;
    signal?.throwIfAborted();
    report();
  } finally {
    clearInterval(timer);
    signal?.removeEventListener("abort", stop);
  }
}

function diskOf(file: unknown): DiskFile | null {
  if (file instanceof DiskFile) return file;
  return file instanceof Source ? file.disk : null;
}

function* batches(stretches: readonly Stretch[]): Generator<Stretch[]> {
  let batch: Stretch[] = [];
  const files = new Set<DiskFile>();
  for (const stretch of stretches) {
    if (files.size === filesAtOnce && !files.has(stretch.file)) {
      yield batch;
      batch = [];
      files.clear();
    }
    files.add(stretch.file);
    batch.push(stretch);
  }
  if (batch.length > 0) yield batch;
}

/** Pieces that follow each other become one write. */
class Gathered {
  readonly #descriptor: number;
  readonly #path: string;
  #buffer: Buffer | null = null;
  #at = 0;
  #used = 0;

  constructor(descriptor: number, path: string) {
    this.#descriptor = descriptor;
    this.#path = path;
  }

  put(bytes: Uint8Array, at: number): void {
    if (at !== this.#at + this.#used || this.#used + bytes.length > gatherSize) this.flush();
    if (bytes.length >= gatherSize) {
      this.#write(bytes, at);
      return;
    }
    this.#buffer ??= Buffer.allocUnsafeSlow(gatherSize);
    if (this.#used === 0) this.#at = at;
    this.#buffer.set(bytes, this.#used);
    this.#used += bytes.length;
  }

  flush(): void {
    if (this.#buffer && this.#used > 0) this.#write(this.#buffer.subarray(0, this.#used), this.#at);
    this.#used = 0;
  }

  #write(bytes: Uint8Array, at: number): void {
    try {
      for (let done = 0; done < bytes.length; ) {
        done += writeSync(this.#descriptor, bytes, done, bytes.length - done, at + done);
      }
    } catch (cause) {
      throw asWriteFailure(this.#path, cause);
    }
  }
}
