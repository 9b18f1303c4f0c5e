/** Files that are being written, under names of their own beside the final ones. */
import { randomBytes } from "node:crypto";
import { chmodSync, openSync, renameSync, rmdirSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fail } from "../diag/diagnostic.ts";
import { closeIdleFiles, reasonOf } from "./disk-file.ts";
import { makeFolder } from "./make-folder.ts";

const unfinished = new Set<string>();
const madeFolders = new Set<string>();
let watching = false;

/**
 * Removes every file that the writes under way have made so far. For signal handlers: synchronous,
 * and nothing that was there before is touched.
 */
export function abandonWrites(): void {
  for (const path of unfinished) discard(path);
  for (const path of madeFolders) removeFolder(path);
}

/** The temporary files of one write, by the path that each is for. */
export class Temporaries {
  readonly #byPath = new Map<string, string>();
  readonly #folders: string[] = [];

  for(path: string): string {
    const known = this.#byPath.get(path);
    if (known) return known;
    this.#folders.unshift(...makeFolders(path));
    const temporary = temporaryFor(path);
    this.#byPath.set(path, temporary);
    return temporary;
  }

  drop(path: string): void {
    const temporary = this.#byPath.get(path);
    if (temporary) discard(temporary);
    this.#byPath.delete(path);
  }

  /** What was published has no temporary file any more, and its folders are not empty. */
  removeAll(): void {
    for (const path of this.#byPath.keys()) this.drop(path);
    for (const folder of this.#folders) removeFolder(folder);
  }
}

/** So much of a name is in that of its temporary file, which may not be too long where it is not. */
const recognisable = 60;

/** A hidden name beside `path`. */
function temporaryFor(path: string): string {
  const begin = basename(path).slice(0, recognisable);
  const name = `.${begin}.${randomBytes(4).toString("hex")}.partial`;
  const temporary = join(dirname(path), name);
  watch(temporary);
  return temporary;
}

/** `path`, a file or a folder, goes with whatever else is unfinished, unless `discard` is first. */
export function watch(path: string): void {
  if (!watching) process.once("exit", abandonWrites);
  watching = true;
  unfinished.add(path);
}

export function discard(path: string): void {
  rmSync(path, { force: true, recursive: true });
  unfinished.delete(path);
}

/** Makes the folders on the way to `path` that are not there yet, and returns them, inner first. */
function makeFolders(path: string): string[] {
  try {
    const made = makeFolder(dirname(path));
    for (const folder of made) madeFolders.add(folder);
    return made;
  } catch (cause) {
    throw asWriteFailure(dirname(path), cause);
  }
}

function removeFolder(path: string): void {
  madeFolders.delete(path);
  try {
    rmdirSync(path);
  } catch {
    // Not empty: something was published into it.
  }
}

/**
 * Opens a new file for writing, readable and writable as the umask says.
 * @param final what it will be called, for messages.
 */
export function createFile(temporary: string, final: string): number {
  try {
    return openSync(temporary, "wx", 0o666);
  } catch (cause) {
    throw asWriteFailure(final, cause);
  }
}

/** Gives a file that a copy has made with its original's mode the mode of a new one. */
export function resetMode(path: string): void {
  chmodSync(path, 0o666 & ~process.umask());
}

export interface Publication {
  readonly temporary: string;
  readonly final: string;
}

/**
 * Puts finished files in their places, the last of them last. All or none: what stood there before
 * is put back when one of them fails. Synchronous, so that no signal comes between.
 */
export function publish(files: readonly Publication[]): void {
  const undo: (() => void)[] = [];
  const backups: string[] = [];
  let current = "";
  closeIdleFiles();
  try {
    for (const { temporary, final } of files) {
      current = final;
      const isLast = files.at(-1)?.final === final;
      const there = statSync(final, { throwIfNoEntry: false });
      if (there?.isDirectory()) throw fail("out-folder", { path: final });
      if (there?.isFile()) chmodSync(temporary, there.mode & 0o777);
      if (there && !isLast) {
        const backup = temporaryFor(final);
        unfinished.delete(backup);
        renameSync(final, backup);
        backups.push(backup);
        undo.push(() => renameSync(backup, final));
      }
      renameSync(temporary, final);
      unfinished.delete(temporary);
      undo.push(() => rmSync(final, { force: true }));
    }
  } catch (cause) {
    for (const step of undo.reverse()) step();
    throw asWriteFailure(current, cause);
  }
  for (const backup of backups) rmSync(backup, { force: true });
}

const fullDisk = new Set(["ENOSPC", "EDQUOT"]);

/** The operating system's refusal to write as a diagnostic; everything else as it is. */
export function asWriteFailure(path: string, cause: unknown): unknown {
  const code = (cause as NodeJS.ErrnoException).code;
  if (typeof code !== "string" || !(cause instanceof Error) || !("syscall" in cause)) return cause;
  if (fullDisk.has(code)) return fail("disk-full", { path });
  return fail("out-unwritable", { path, why: reasonOf(code) });
}
