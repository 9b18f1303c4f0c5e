/**
 * Copies stretches of files in a thread of its own, so that a copy of gigabytes goes on while this
 * thread computes, and can be stopped at any time.
 */
import fs from "node:fs";
import { Worker } from "node:worker_threads";
import { asReadFailure, type DiskFile } from "./disk-file.ts";
import { asWriteFailure } from "./temporary.ts";

/** `length` bytes from `offset` of a file to `at` of the one that is written. */
export interface Stretch {
  readonly file: DiskFile;
  readonly offset: number;
  readonly length: number;
  readonly at: number;
}

export interface Copy {
  /** Bytes copied so far. */
  readonly copied: number;
  /**
   * Stops behind the first `count` bytes, or at once where more are copied already.
   * @returns whether bytes behind them may still be written before it is done.
   */
  stopAt(count: number): boolean;
  /** @throws GraftError for a disk that is full, a file that has become unreadable, ... */
  readonly done: Promise<void>;
}

interface Job {
  readonly to: number;
  readonly stretches: readonly (readonly [
    from: number,
    offset: number,
    length: number,
    at: number,
  ])[];
  readonly chunk: number;
}
interface Failure {
  readonly side: "read" | "write";
  readonly stretch: number;
  readonly code: string | undefined;
}
/** What the thread needs of `node:fs`. */
type Files = Readonly<
  Record<
    "readSync" | "writeSync",
    (file: number, buffer: Uint8Array, offset: number, length: number, position: number) => number
  >
>;

/** Bytes at a time: few enough to be still in the core's cache when they are written. */
const chunk = 1 << 17;
/** Starting a thread takes as long as copying this much. */
const worthAThread = 32 << 20;

/**
 * Runs in the thread: refers to nothing but its arguments.
 * @param state bytes copied, and where to stop.
 */
function copyStretches(files: Files, job: Job, state: BigInt64Array): Failure | null {
  const buffer = new Uint8Array(job.chunk);
  const left = () => Number(Atomics.load(state, 1) - Atomics.load(state, 0));
  for (const [stretch, [from, offset, length, at]] of job.stretches.entries()) {
    for (let done = 0; done < length; ) {
      const wanted = Math.min(job.chunk, length - done, left());
      if (wanted <= 0) return null;
      let side: Failure["side"] = "read";
      try {
        const count = files.readSync(from, buffer, 0, wanted, offset + done);
        if (count === 0) return { side, stretch, code: undefined };
        side = "write";
        for (let put = 0; put < count; ) {
          put += files.writeSync(job.to, buffer, put, count - put, at + done + put);
        }
        done += count;
        Atomics.add(state, 0, BigInt(count));
      } catch (cause) {
        return { side, stretch, code: (cause as NodeJS.ErrnoException).code };
      }
    }
  }
  return null;
}

/** @param to a descriptor open for writing; it stays open until `done`. */
export function startCopy(stretches: readonly Stretch[], to: number, path: string): Copy {
  const total = stretches.reduce((sum, { length }) => sum + length, 0);
  const state = new BigInt64Array(new SharedArrayBuffer(16));
  state[1] = BigInt(total);
  const run = async () => {
    const sources = new Map([...new Set(stretches.map(({ file }) => file))].map(acquired));
    try {
      const job: Job = {
        to,
        chunk,
        stretches: stretches.map(({ file, offset, length, at }) => {
          return [sources.get(file)!, offset, length, at] as const;
        }),
      };
      const alone = total >= worthAThread;
      const failure = alone ? await inThread(job, state) : copyStretches(fs, job, state);
      if (failure) throw asDiagnostic(failure, stretches[failure.stretch]!.file.path, path);
    } finally {
      for (const file of sources.keys()) file.release();
    }
  };
  const done = run();
  done.catch(() => {}); // Whoever waits for it gets it; nobody may be waiting yet.
  return {
    get copied() {
      return Number(Atomics.load(state, 0));
    },
    stopAt(count) {
      Atomics.store(state, 1, BigInt(count));
      return Number(Atomics.load(state, 0)) + chunk > count;
    },
    done,
  };
}

function acquired(file: DiskFile): [DiskFile, number] {
  return [file, file.acquire()];
}

function inThread(job: Job, state: BigInt64Array): Promise<Failure | null> {
  const program = `
    const { parentPort, workerData } = require("node:worker_threads");
    const copy = ${copyStretches.toString()};
    parentPort.postMessage(copy(require("node:fs"), workerData.job, workerData.state));
  `;
  return new Promise((resolve, reject) => {
    const worker = new Worker(program, {
      eval: true,
      execArgv: [],
      workerData: { job, state },
      resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2 },
    });
    worker.once("message", resolve);
    worker.once("error", reject);
    worker.once("exit", () => reject(new Error("the copying thread ended early")));
  });
}

function asDiagnostic({ side, code }: Failure, from: string, to: string): unknown {
  const cause = Object.assign(new Error(code), { code: code ?? "EIO", syscall: side });
  return side === "read" ? asReadFailure(from, cause) : asWriteFailure(to, cause);
}
