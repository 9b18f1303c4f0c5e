/** Training as a program uses it: steps, and the arrays that they change. */
import { createRequire } from "node:module";
import { Worker } from "node:worker_threads";
import { fail } from "../../src/diag/diagnostic.ts";
import { cpu, type Device, providersOf } from "../session/device.ts";
import { reasonOf } from "../session/ort.ts";
import { type Tensor, tensorOf } from "../session/tensor.ts";
import { type Program, type Reply, type Request, type Slot, serveTraining } from "./worker.ts";

/** The first output of models that are run here: a sequence, see `serveTraining`. */
export const sentinel = "graftc.in_place";

/** ONNX Runtime's refusal of a run. */
export class RunFailure extends Error {}

/**
 * What fuses a sum with the norm behind it where nobody else reads the sum, and so rounds the same
 * site otherwise in a graph that ends there.
 */
const contextual = "SkipLayerNormFusion";

export interface TrainerOptions {
  readonly slots: readonly Slot[];
  readonly programs: Readonly<Record<string, Program>>;
  readonly device?: Device;
  /** Of one operator. */
  readonly threads: number;
}

export interface RunRequest {
  readonly program: string;
  readonly feeds?: readonly (readonly [string, Tensor])[];
  readonly clear?: readonly string[];
  readonly read?: readonly string[];
  /** Of a Loop; 1 unless said. */
  readonly trips?: number;
}

export interface Trainer {
  /** Runs a program; tells the contents of the slots to read. @throws RunFailure */
  run(request: RunRequest): Promise<{ values: ReadonlyMap<string, Float32Array>; seconds: number }>;
  /** Works with the arrays of slots themselves, while no program runs. */
  borrow<T>(
    slots: readonly string[],
    use: (arrays: ReadonlyMap<string, Float32Array>) => Promise<T>,
  ): Promise<T>;
  close(): Promise<void>;
}

/** @throws GraftError `model-refused` in ONNX Runtime's words, `cuda-unavailable`. */
export async function openTrainer(options: TrainerOptions): Promise<Trainer> {
  const { slots, programs, device = cpu, threads } = options;
  const thread = startThread();
  try {
    await thread.ask({
      do: "open",
      slots,
      programs,
      options: {
        ...providersOf(device),
        graphOptimizationLevel: "all",
        intraOpNumThreads: threads,
        interOpNumThreads: 1,
        executionMode: "sequential",
        logSeverityLevel: 4,
        enableCpuMemArena: true,
        enableMemPattern: false,
        extra: {
          session: { disable_prepacking: "1" },
          optimization: { disable_specified_optimizers: contextual },
        },
      },
    });
  } catch (cause) {
    await thread.end();
    const model = Object.values(programs)[0]!.path;
    throw fail("model-refused", { model, reason: reasonOf(cause) });
  }
  const values = (reply: Reply) => {
    if (!("values" in reply)) throw new Error("the training thread answered something else");
    return reply;
  };
  return {
    async run({ program, feeds = [], clear = [], read = [], trips = 1 }) {
      const reply = values(await thread.ask({ do: "run", program, feeds, clear, read, trips }));
      return { values: new Map(reply.values), seconds: reply.seconds };
    },
    async borrow(names, use) {
      const { values: arrays } = values(await thread.ask({ do: "lend", slots: names }));
      try {
        return await use(new Map(arrays));
      } finally {
        await thread.ask(
          { do: "return", arrays },
          arrays.map(([, data]) => data.buffer as ArrayBuffer),
        );
      }
    },
    async close() {
      await thread.ask({ do: "close" });
      await thread.end();
    },
  };
}

export const float32 = (value: number): Tensor => tensorOf("float32", [], [value]);
export const int64 = (value: number): Tensor => tensorOf("int64", [], [value]);

function startThread() {
  // Set here: the environment of a thread is a copy that native code never sees.
  process.env.ORT_DISABLE_TELEMETRY ??= "1";
  const path = createRequire(import.meta.url).resolve("onnxruntime-node");
  const text = `(${serveTraining})(require, ${JSON.stringify(path)}, ${JSON.stringify(sentinel)})`;
  const worker = new Worker(text, { eval: true });
  const waiting: { resolve(reply: Reply): void; reject(cause: Error): void }[] = [];
  worker.on("message", (reply: Reply) => {
    const next = waiting.shift();
    if ("error" in reply) next?.reject(new RunFailure(reply.error));
    else next?.resolve(reply);
  });
  worker.on("error", (cause: Error) => {
    for (const each of waiting.splice(0)) each.reject(cause);
  });
  return {
    ask(request: Request, transfer: ArrayBuffer[] = []): Promise<Reply> {
      return new Promise((resolve, reject) => {
        waiting.push({ resolve, reject });
        worker.postMessage(request, transfer);
      });
    },
    /** Only when nothing runs: ending a thread inside a run aborts the process. */
    end: () => worker.terminate(),
  };
}
