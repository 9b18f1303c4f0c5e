import { createRequire } from "node:module";
import { Worker } from "node:worker_threads";
import type { InferenceSession } from "onnxruntime-node";
import { fail } from "../../src/diag/diagnostic.ts";
import { cpu, type Device, providersOf } from "./device.ts";
import { reasonOf } from "./ort.ts";
import type { Tensor, Tensors } from "./tensor.ts";
import { type Port, type Reply, type Request, serve } from "./worker.ts";

export interface Session {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  /**
   * Runs the model in the worker thread.
   * @param fetch names of outputs; all of them unless said.
   * @throws Error in ONNX Runtime's words; the reason of `signal` once a run that was under way
   * has ended: ending a thread inside a run would abort the process.
   */
  run(feeds: Tensors, options?: RunOptions): Promise<Result>;
  /** Frees its memory. A session that is left open keeps it until the process ends. */
  release(): Promise<void>;
}

export interface RunOptions {
  readonly fetch?: readonly string[];
  readonly signal?: AbortSignal | undefined;
}

export interface Result {
  readonly outputs: Tensors;
  /** Of the run alone, as the thread measured it. */
  readonly milliseconds: number;
}

export interface SessionOptions {
  readonly device?: Device | undefined;
  /** What ONNX Runtime rewrites when it loads; `all` unless said. Its time grows with nodes squared. */
  readonly optimization?: "disabled" | "basic" | "all";
  /**
   * Keeps large weights in the page cache instead of repacking them: 2.7 GB open in 34 ms and 18 MB
   * instead of seconds and all of it. Runs take about the same time. True unless said.
   */
  readonly lean?: boolean;
  /** Plans where values go after the first run, which keeps the memory of that, too. True unless said. */
  readonly planned?: boolean;
  /** Threads of one operator; 0, the default, lets ONNX Runtime choose. */
  readonly threads?: number;
}

/**
 * Opens a model file, with its external data, in the worker thread.
 * @throws GraftError `model-refused` in ONNX Runtime's words, `cuda-unavailable`.
 */
export async function openSession(path: string, options: SessionOptions = {}): Promise<Session> {
  const { device = cpu, optimization = "all", lean = true, threads = 0 } = options;
  const { planned = true } = options;
  const settings: InferenceSession.SessionOptions = {
    ...providersOf(device),
    graphOptimizationLevel: optimization,
    intraOpNumThreads: threads,
    enableMemPattern: planned,
    logSeverityLevel: 4,
    ...(lean && { extra: { session: { disable_prepacking: "1" } } }),
  };
  const opened = await ask({ do: "open", model: path, options: settings }).catch((cause) => {
    throw fail("model-refused", { model: path, reason: reasonOf(cause) });
  });
  if (!("session" in opened)) throw new Error("the session thread answered something else");
  const { session, inputs, outputs } = opened;
  const everything = outputs.map(({ name }) => name);
  return {
    inputs,
    outputs,
    async run(feeds, { fetch = everything, signal } = {}) {
      signal?.throwIfAborted();
      const reply = await ask({ do: "run", session, feeds: [...feeds], fetch });
      signal?.throwIfAborted();
      if (!("tensors" in reply)) throw new Error("the session thread answered something else");
      return { outputs: new Map<string, Tensor>(reply.tensors), milliseconds: reply.milliseconds };
    },
    async release() {
      await ask({ do: "release", session });
    },
  };
}

let thread: Worker | undefined;
/** Whoever waits for a reply; the thread answers in the order asked. */
const waiting: { resolve(reply: Reply): void; reject(cause: Error): void }[] = [];

/** Idle, the thread does not keep the process alive; while it owes an answer it does. */
function ask(request: Request): Promise<Reply> {
  thread ??= startThread();
  const worker = thread;
  return new Promise((resolve, reject) => {
    waiting.push({ resolve, reject });
    worker.ref();
    worker.postMessage(request);
  });
}

function startThread(): Worker {
  // Set here: the environment of a thread is a copy that native code never sees.
  process.env.ORT_DISABLE_TELEMETRY ??= "1";
  const path = createRequire(import.meta.url).resolve("onnxruntime-node");
  const worker = new Worker(`(${serve})(require, ${JSON.stringify(path)})`, { eval: true });
  worker.on("message", (reply: Reply) => {
    const next = waiting.shift();
    if (waiting.length === 0) worker.unref();
    if ("error" in reply) next?.reject(new Error(reply.error));
    else next?.resolve(reply);
  });
  worker.on("error", (cause: Error) => {
    thread = undefined;
    for (const each of waiting.splice(0)) each.reject(cause);
  });
  return worker;
}
