/** Files of the command line's own: texts read whole, and written whole or not at all. */
import { accessSync, constants, realpathSync, renameSync, statSync, writeFileSync } from "node:fs";
import { fail } from "../diag/diagnostic.ts";
import type { SourceText } from "../diag/span.ts";
import { Temporaries } from "../onnx/temporary.ts";
import { readText } from "../text-file.ts";

/** `-` is standard input. @throws GraftError where there is no such text. */
export function readSource(path: string): SourceText {
  try {
    return { path, text: readText(path === "-" ? 0 : path) };
  } catch (cause) {
    throw fail("unreadable-edits", { path, reason: reasonOf(cause) });
  }
}

/** Replaces a file's text, keeping its mode and any link to it. @throws GraftError */
export function replaceText(path: string, text: string): void {
  const temporaries = new Temporaries();
  try {
    const target = realpathSync(path);
    accessSync(target, constants.W_OK);
    const temporary = temporaries.for(target);
    writeFileSync(temporary, text, { flag: "wx", mode: statSync(target).mode });
    renameSync(temporary, target);
  } catch (cause) {
    throw fail("unwritable-edits", { path, reason: reasonOf(cause) });
  } finally {
    temporaries.removeAll();
  }
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EISDIR: "it is a folder",
  EACCES: "permission denied",
  EPERM: "permission denied",
  EROFS: "the file system is read-only",
  ENOSPC: "no space is left",
};

export function reasonOf(cause: unknown): string {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  return reasons[code] ?? (cause instanceof Error ? cause.message : String(cause));
}
