/**
 * Copies stretches of files in a thread of its own, so that a copy of gigabytes goes on while this
 * thread computes, and can be stopped at any time. (The kernel's own copy is no faster, and cannot.)
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
  /** Stops behind the first `count` bytes, or at once where more are copied already. */
  stopAt(count: number): void;
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
  readonly lanes: number;
}
interface Failure {
  readonly side: "read" | "write";
  readonly stretch: number;
  readonly code: string | undefined;
}
type Move = (
  file: number,
  buffer: Uint8Array,
  offset: number,
  length: number,
  position: number,
  settle: (cause: Error | null, count: number) => void,
) => void;
type Files = Readonly<Record<"read" | "write", Move>>;

/** Bytes at a time, and how many at once: while one is being written another is read. */
const chunk = 1 << 20;
const lanes = 2;
/** Starting a thread takes as long as copying this much. */
const worthAThread = 32 << 20;

/**
 * Runs in the thread: refers to nothing but its arguments.
 * @param state bytes copied, and where to stop.
 */
async function copyStretches(
  files: Files,
  job: Job,
  state: BigInt64Array,
): Promise<Failure | null> {
  let failure: Failure | null = null;
  let [index, within, begun] = [0, 0, 0];
  const next = () => {
    const [from, offset, length, at] = job.stretches[index] ?? [0, 0, 0, 0];
    const count = Math.min(job.chunk, length - within, Number(Atomics.load(state, 1)) - begun);
    if (failure || count <= 0) return null;
    const piece = { from, offset: offset + within, at: at + within, count, stretch: index };
    begun += count;
    within += count;
    if (within === length) [index, within] = [index + 1, 0];
    return piece;
  };
  const moved = (side: Failure["side"], file: number, rest: Uint8Array, position: number) =>
    new Promise<number>((resolve, reject) => {
      files[side](file, rest, 0, rest.length, position, (cause, count) => {
        if (cause || count === 0) reject(Object.assign(cause ?? new Error(), { side }));
        else resolve(count);
      });
    });
  const lane = async () => {
    const buffer = new Uint8Array(job.chunk);
    for (let piece = next(); piece; piece = next()) {
      const { from, offset, at, count, stretch } = piece;
      try {
        for (let done = 0; done < count; ) {
          done += await moved("read", from, buffer.subarray(done, count), offset + done);
        }
        for (let done = 0; done < count; ) {
          done += await moved("write", job.to, buffer.subarray(done, count), at + done);
        }
        Atomics.add(state, 0, BigInt(count));
      } catch (cause) {
        const { side, code } = cause as Pick<Failure, "side" | "code">;
        failure ??= { side, code, stretch };
      }
    }
  };
  await Promise.all(Array.from({ length: job.lanes }, lane));
  return failure;
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
        lanes,
        stretches: stretches.map(({ file, offset, length, at }) => {
          return [sources.get(file)!, offset, length, at] as const;
        }),
      };
      const copy = total < worthAThread ? copyStretches.bind(null, fs) : inThread;
      const failure = await copy(job, state);
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
    copy(require("node:fs"), workerData.job, workerData.state).then((failure) =>
      parentPort.postMessage(failure));
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
