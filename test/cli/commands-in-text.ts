/** Commands that a text tells people to run, run as they are written. */
import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { graftc, type Run, root, scratch } from "./graftc.ts";

/** A folder with the repository's examples, where commands may write. */
export function workshop(): string {
  const folder = scratch();
  mkdirSync(folder, { recursive: true });
  for (const name of ["examples", "src"]) symlinkSync(join(root, name), join(folder, name));
  return folder;
}

/** Splits a command line; none of ours needs quotes. */
export function runLine(line: string, cwd: string): Run {
  const [program, ...words] = line.trim().split(/\s+/);
  if (program !== "graftc") throw new Error(`not a graftc command: ${line}`);
  return graftc(words, { cwd });
}
