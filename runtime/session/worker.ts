/**
 * The thread that sessions live in. `create` and `run` of onnxruntime-node block whoever calls
 * them; here they block nobody who draws a progress bar or listens for Ctrl-C.
 */
import type { InferenceSession, OnnxValue } from "onnxruntime-node";
import type { Ort } from "./ort.ts";
import type { Tensor } from "./tensor.ts";

export type Request =
  | {
      readonly do: "open";
      readonly model: string | Uint8Array;
      readonly options: InferenceSession.SessionOptions;
    }
  | {
      readonly do: "run";
      readonly session: number;
      readonly feeds: readonly (readonly [string, Tensor])[];
      readonly fetch: readonly string[];
    }
  | { readonly do: "release"; readonly session: number };

/** An input or output as the session declares it; sizes without a value have a name, or "". */
export interface Port {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly (number | string)[];
}

export type Reply =
  | { readonly session: number; readonly inputs: Port[]; readonly outputs: Port[] }
  | { readonly tensors: (readonly [string, Tensor])[]; readonly milliseconds: number }
  | { readonly done: true }
  | { readonly error: string };

/**
 * The body of the thread. It is started from its own text, which a bundle, a test and the source
 * all have, so it may use nothing but its arguments.
 *
 * @param load `require` of the thread.
 * @param path of onnxruntime-node, as the main thread resolves it.
 */
export function serve(load: NodeJS.Require, path: string): void {
  const ort: Ort = load(path);
  const { parentPort } = load("node:worker_threads") as typeof import("node:worker_threads");
  const sessions = new Map<number, InferenceSession>();
  const arrays: Record<string, new (buffer: ArrayBuffer) => ArrayBufferView> = {
    float32: Float32Array,
    float64: Float64Array,
    float16: Uint16Array,
    int64: BigInt64Array,
    uint64: BigUint64Array,
    int32: Int32Array,
    uint32: Uint32Array,
    int16: Int16Array,
    uint16: Uint16Array,
    int8: Int8Array,
    uint8: Uint8Array,
    bool: Uint8Array,
  };

  // A plain object and not a Tensor: from Node 24 on its constructor takes float16 in another form.
  const toOrt = ({ dtype, shape, data }: Tensor): OnnxValue => {
    const array = arrays[dtype];
    if (!array) throw new Error(`ONNX Runtime for Node takes no tensors of ${dtype}`);
    const own = new Uint8Array(data).buffer;
    const value = { type: dtype, dims: [...shape], data: new array(own), location: "cpu" };
    return value as unknown as OnnxValue;
  };

  const fromOrt = (value: OnnxValue): Tensor => {
    const { type, dims, data } = value as unknown as {
      type: Tensor["dtype"];
      dims: readonly number[];
      data: ArrayBufferView;
    };
    if (!ArrayBuffer.isView(data)) throw new Error(`an output of ${type} is no array of numbers`);
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    return { dtype: type, shape: [...dims], data: bytes };
  };

  const ports = (metadata: readonly InferenceSession.ValueMetadata[]): Port[] =>
    metadata.map((port) =>
      port.isTensor
        ? { name: port.name, dtype: port.type, shape: [...port.shape] }
        : { name: port.name, dtype: "sequence", shape: [] },
    );

  const answer = async (request: Request): Promise<Reply> => {
    if (request.do === "open") {
      const { model, options } = request;
      const session =
        typeof model === "string"
          ? await ort.InferenceSession.create(model, options)
          : await ort.InferenceSession.create(model, options);
      const number = sessions.size === 0 ? 1 : Math.max(...sessions.keys()) + 1;
      sessions.set(number, session);
      const { inputMetadata, outputMetadata } = session;
      return { session: number, inputs: ports(inputMetadata), outputs: ports(outputMetadata) };
    }
    const session = sessions.get(request.session);
    if (!session) throw new Error(`session ${request.session} is not open`);
    if (request.do === "release") {
      sessions.delete(request.session);
      await session.release();
      return { done: true };
    }
    const feeds = Object.fromEntries(request.feeds.map(([name, t]) => [name, toOrt(t)]));
    const start = performance.now();
    const results = await session.run(feeds, request.fetch);
    const milliseconds = performance.now() - start;
    return {
      tensors: request.fetch.map((name) => [name, fromOrt(results[name]!)] as const),
      milliseconds,
    };
  };

  /** Each once: a graph may name one value twice among its outputs. */
  const buffersOf = (reply: Reply): ArrayBuffer[] =>
    "tensors" in reply
      ? [...new Set(reply.tensors.map(([, { data }]) => data.buffer as ArrayBuffer))]
      : [];

  let turn: Promise<void> = Promise.resolve();
  parentPort!.on("message", (request: Request) => {
    turn = turn.then(async () => {
      const reply = await answer(request).catch(
        (cause): Reply => ({ error: cause instanceof Error ? cause.message : String(cause) }),
      );
      parentPort!.postMessage(reply, buffersOf(reply));
    });
  });
}
