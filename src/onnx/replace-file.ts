/** A file that is either as it was or whole: written aside, and put in place when it is complete. */
import { closeSync, fsyncSync, openSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { refuseOut } from "./targets.ts";
import { asWriteFailure, createFile, publish, Temporaries } from "./temporary.ts";

/**
 * @param durable whether it is on the disk before it takes the place of what was there.
 * @param fill writes to the descriptor of the new file.
 * @throws GraftError where `path` cannot be written.
 */
export async function replaceFile(
  path: string,
  durable: boolean,
  fill: (descriptor: number) => Promise<void> | void,
): Promise<void> {
  refuseOut(path);
  const temporaries = new Temporaries();
  const final = join(dirname(resolve(path)), basename(path));
  try {
    const descriptor = createFile(temporaries.for(final), path);
    try {
      await fill(descriptor);
      if (durable) flush(descriptor, path);
    } finally {
      closeSync(descriptor);
    }
    publish([{ temporary: temporaries.for(final), final }]);
    if (durable) flushFolder(dirname(final));
  } finally {
    temporaries.removeAll();
  }
}

/** Waits until what was written is on the disk. */
export function flush(descriptor: number, path: string): void {
  try {
    fsyncSync(descriptor);
  } catch (cause) {
    throw asWriteFailure(path, cause);
  }
}

/** A renaming is on the disk when its folder is; Windows has no such thing. */
function flushFolder(folder: string): void {
  if (process.platform === "win32") return;
  const descriptor = openSync(folder, "r");
  try {
    flush(descriptor, folder);
  } finally {
    closeSync(descriptor);
  }
}
