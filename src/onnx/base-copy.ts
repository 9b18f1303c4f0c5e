/** A data file that begins like one of the input: a clone where the file system has them, else a copy. */
import { closeSync, constants, copyFileSync, openSync, rmSync } from "node:fs";
import { type Copy, startCopy } from "./copy-thread.ts";
import type { DiskFile } from "./disk-file.ts";
import { hasKernelCopy, startKernelCopy } from "./kernel-copy.ts";
import { createFile, resetMode } from "./temporary.ts";

export interface BaseCopy extends Copy {
  /** Open for writing until `close`. */
  readonly descriptor: number;
  close(): void;
}

/** @param final what the file will be called, for messages. */
export function startBase(file: DiskFile, temporary: string, final: string): BaseCopy {
  const cloned = clone(file, temporary);
  const descriptor = cloned ? openSync(temporary, "r+") : createFile(temporary, final);
  const copy = cloned ? finished(file.size) : copyInto(file, descriptor, final);
  let open = true;
  const close = () => {
    if (open) closeSync(descriptor);
    open = false;
  };
  return {
    descriptor,
    get copied() {
      return copy.copied;
    },
    stopAt: copy.stopAt,
    done: copy.done,
    // The copy may be in the middle of a write.
    close: () => void copy.done.then(close, close),
  };
}

function copyInto(file: DiskFile, to: number, path: string): Copy {
  if (hasKernelCopy(file)) return startKernelCopy(file, to, path);
  return startCopy([{ file, offset: 0, length: file.size, at: 0 }], to, path);
}

function finished(size: number): Copy {
  return { copied: size, stopAt: () => false, done: Promise.resolve() };
}

/** Blocks of both files are the same until one of them is written to; most file systems refuse. */
function clone(file: DiskFile, temporary: string): boolean {
  file.acquire();
  try {
    const flags = constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL;
    copyFileSync(file.path, temporary, flags);
    resetMode(temporary);
    return true;
  } catch {
    rmSync(temporary, { force: true });
    return false;
  } finally {
    file.release();
  }
}
