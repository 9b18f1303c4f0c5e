/**
 * The kernel's own copy of a file: one pass over memory less than reading and writing. Node has it
 * only as a call that nothing can stop and that the end of the process waits for, so `cat` makes it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, fstatSync, openSync } from "node:fs";
import { type Copy, startCopy } from "./copy-thread.ts";
import type { DiskFile } from "./disk-file.ts";

/** Smaller files are copied before a process has begun. */
const worthAProcess = 32 << 20;

export function hasKernelCopy({ size }: DiskFile): boolean {
  return process.platform === "linux" && size >= worthAProcess;
}

/**
 * Copies a whole file into an empty one. What the process leaves undone, the copying thread does.
 * @param to a descriptor open for writing; it stays open until `done`.
 */
export function startKernelCopy(file: DiskFile, to: number, path: string): Copy {
  let wanted = file.size;
  let rest: Copy | null = null;
  const child = catFrom(file, to);

  const run = async () => {
    const ended = await endOf(child);
    if (ended === 0) return;
    // While it was to copy everything, others may have written behind what it had reached.
    const done = wanted < file.size ? fstatSync(to).size : 0;
    if (done >= wanted) return;
    const stretch = { file, offset: done, length: wanted - done, at: done };
    rest = startCopy([stretch], to, path);
    await rest.done;
  };
  const done = run();
  done.catch(() => {}); // Whoever waits for it gets it; nobody may be waiting yet.
  return {
    get copied() {
      return Math.min(wanted, fstatSync(to).blocks * 512);
    },
    stopAt(count) {
      wanted = Math.min(wanted, count);
      rest?.stopAt(wanted);
      if (wanted < file.size) child.kill("SIGKILL");
      return wanted < file.size;
    },
    done,
  };
}

/** Through a descriptor of its own, as it reads from where that stands; of the file that was checked. */
function catFrom(file: DiskFile, to: number): ChildProcess {
  const checked = file.acquire();
  try {
    const source = openSync(`/proc/self/fd/${checked}`, "r");
    try {
      return spawn("cat", [], { stdio: [source, to, "ignore"] });
    } finally {
      closeSync(source);
    }
  } finally {
    file.release();
  }
}

/** The exit code; null where it was killed or never began. */
function endOf(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => {
    child.once("error", () => resolve(null));
    child.once("close", resolve);
  });
}
