/** A folder that is filled aside, and whose files go to their places when all are complete. */
import { mkdirSync, mkdtempSync, readdirSync, renameSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fail } from "../diag/diagnostic.ts";
import { makeFolder } from "./make-folder.ts";
import { asWriteFailure, discard, watch } from "./temporary.ts";

/**
 * @param fill writes into the folder that it is given.
 * @throws GraftError where `out` is no folder, or none can be made there; then nothing is left.
 */
export async function fillFolder<T>(out: string, fill: (aside: string) => Promise<T>): Promise<T> {
  const aside = makeAside(out);
  try {
    const filled = await fill(aside);
    moveInto(aside, out);
    return filled;
  } catch (cause) {
    throw asWriteFailure(out, cause);
  } finally {
    discard(aside);
  }
}

function makeAside(out: string): string {
  try {
    makeFolder(dirname(join(out, ".")));
    const there = statSync(out, { throwIfNoEntry: false });
    if (there && !there.isDirectory()) {
      throw fail("out-unwritable", { path: out, why: "it is no folder" });
    }
    const aside = mkdtempSync(join(dirname(out), `.${basename(out)}.`));
    watch(aside);
    return aside;
  } catch (cause) {
    throw asWriteFailure(out, cause);
  }
}

/** One rename a file. */
function moveInto(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) moveInto(source, target);
    else renameSync(source, target);
  }
}
