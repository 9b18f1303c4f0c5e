/** Files that weights are spans of, opened when they are read and never all at once. */
import { closeSync, fstatSync, openSync, readSync, type Stats, statSync } from "node:fs";
import { fail } from "../diag/diagnostic.ts";
import type { FileSource } from "../ir/bytes.ts";

/** Descriptors kept open between reads; those in use come on top. */
const idleDescriptors = 32;

const open = new Map<DiskFile, { descriptor: number; users: number }>();

/** Programs without types may hand over anything. */
export function checkPath(path: unknown): void {
  if (typeof path === "string") return;
  const hint = path instanceof URL ? "`fileURLToPath` of node:url makes one of a URL" : null;
  throw fail("wrong-usage", { what: "A path has to be text" }, { hint });
}

/** What changes when somebody writes to a file or puts another in its place. */
function stampOf(stats: Stats): string {
  return `${stats.dev}:${stats.ino}:${stats.size}:${stats.mtimeMs}`;
}

export class DiskFile implements FileSource {
  readonly path: string;
  readonly size: number;
  readonly #stamp: string;

  /** @param stats of the file as it is now; reads later on refuse a file that has changed since. */
  constructor(path: string, stats: Stats = statSync(path)) {
    this.path = path;
    this.size = stats.size;
    this.#stamp = stampOf(stats);
  }

  /** @throws GraftError where `path` is no regular file that can be read. */
  static at(path: string): DiskFile {
    checkPath(path);
    let stats: Stats;
    try {
      stats = statSync(path);
    } catch (cause) {
      throw asReadFailure(path, cause);
    }
    if (!stats.isFile()) throw fail("file-unreadable", { path, why: "it is no regular file" });
    return new DiskFile(path, stats);
  }

  read(offset: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    this.readInto(bytes, offset);
    return bytes;
  }

  /** Fills `target` with the bytes at `offset`. */
  readInto(target: Uint8Array, offset: number): void {
    const descriptor = this.acquire();
    try {
      for (let done = 0; done < target.length; ) {
        const count = readSync(descriptor, target, done, target.length - done, offset + done);
        if (count === 0) throw fail("input-changed", { path: this.path });
        done += count;
      }
    } catch (cause) {
      throw asReadFailure(this.path, cause);
    } finally {
      this.release();
    }
  }

  /** A descriptor for reading that stays open until `release`. */
  acquire(): number {
    const known = open.get(this);
    if (known) {
      known.users++;
      return known.descriptor;
    }
    closeIdleFiles(idleDescriptors - 1);
    const descriptor = openToRead(this.path);
    if (stampOf(fstatSync(descriptor)) !== this.#stamp) {
      closeSync(descriptor);
      throw fail("input-changed", { path: this.path });
    }
    open.set(this, { descriptor, users: 1 });
    return descriptor;
  }

  release(): void {
    open.get(this)!.users--;
  }
}

function openToRead(path: string): number {
  try {
    return openSync(path, "r");
  } catch (cause) {
    throw asReadFailure(path, cause);
  }
}

/** Closes descriptors that nobody uses, oldest first, until `limit` are open. */
export function closeIdleFiles(limit = 0): void {
  for (const [file, { descriptor, users }] of open) {
    if (open.size <= limit) return;
    if (users > 0) continue;
    closeSync(descriptor);
    open.delete(file);
  }
}

/** The operating system's refusal to read as a diagnostic; everything else as it is. */
export function asReadFailure(path: string, cause: unknown): unknown {
  const code = (cause as NodeJS.ErrnoException).code;
  if (typeof code !== "string" || !(cause instanceof Error) || !("syscall" in cause)) return cause;
  return fail("file-unreadable", { path, why: reasonOf(code) });
}

const reasons: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EPERM: "permission denied",
  EISDIR: "it is a folder",
  EEXIST: "something else has its name",
  ENOENT: "there is no such file",
  ENOTDIR: "a step of its path is not a folder",
  ELOOP: "its symbolic links go round in a circle",
  ENAMETOOLONG: "its name is too long",
  EROFS: "the file system is read-only",
  EMFILE: "too many files are open",
  EIO: "the disk reports an error",
};

/** `permission denied` for EACCES; the code itself where it says more than we could. */
export function reasonOf(code: string): string {
  return reasons[code] ?? code;
}
