/**
 * The thread that trains. It owns the weights, their gradients and the optimizer's state, as arrays
 * that sessions read from and write into: nothing of them is copied from step to step.
 */
import type { InferenceSession, OnnxValue } from "onnxruntime-node";
import type { Ort } from "../session/ort.ts";
import type { Tensor } from "../session/tensor.ts";

/** A float32 array of the thread. */
export interface Slot {
  readonly name: string;
  readonly shape: readonly number[];
  /** Where its first contents lie, little-endian; null: zeros. */
  readonly from: { readonly path: string; readonly offset: number } | null;
}

/** A session, and the slots that its inputs and outputs are. */
export interface Program {
  readonly path: string;
  readonly inputs: readonly Bound[];
  readonly outputs: readonly Output[];
}

export interface Output extends Bound {
  readonly shape: readonly number[];
  /** One such array for each trip of a Loop, at the beginning of the slot. */
  readonly trips?: boolean;
}

export interface Bound {
  readonly port: string;
  readonly slot: string;
}

export type Request =
  | {
      readonly do: "open";
      readonly slots: readonly Slot[];
      readonly programs: Readonly<Record<string, Program>>;
      readonly options: InferenceSession.SessionOptions;
    }
  | {
      readonly do: "run";
      readonly program: string;
      readonly feeds: readonly (readonly [string, Tensor])[];
      /** Slots that are zero before the run. */
      readonly clear: readonly string[];
      /** Slots whose contents are the answer. */
      readonly read: readonly string[];
      /** Of a Loop. */
      readonly trips: number;
    }
  /** Hands the arrays of slots over; until `return` brings them back, the thread has none. */
  | { readonly do: "lend"; readonly slots: readonly string[] }
  | { readonly do: "return"; readonly arrays: readonly (readonly [string, Float32Array])[] }
  | { readonly do: "close" };

export type Reply =
  | { readonly values: readonly (readonly [string, Float32Array])[]; readonly seconds: number }
  | { readonly done: true; readonly inPlace: boolean }
  | { readonly error: string };

/**
 * The body of the thread; started from its own text, so it may use nothing but its arguments.
 *
 * Outputs go into arrays that inputs may be, too. ONNX Runtime for Node fills such arrays and copies
 * them besides, unless converting an earlier output fails: models that are run here have a sequence,
 * which it cannot convert, as their first output. Where that no longer fails in those words, outputs
 * are taken as they come and copied.
 */
export function serveTraining(load: NodeJS.Require, path: string, sentinel: string): void {
  const ort: Ort = load(path);
  const fs = load("node:fs") as typeof import("node:fs");
  const { parentPort } = load("node:worker_threads") as typeof import("node:worker_threads");
  const unconverted = "Non tensor type is temporarily not supported.";
  const slots = new Map<string, { data: Float32Array; shape: readonly number[] }>();
  const programs = new Map<string, { program: Program; session: InferenceSession }>();
  let inPlace = true;

  const arrays: Record<string, new (buffer: ArrayBuffer) => ArrayBufferView> = {
    float32: Float32Array,
    float64: Float64Array,
    int64: BigInt64Array,
    int32: Int32Array,
    uint8: Uint8Array,
    bool: Uint8Array,
  };

  const value = (type: string, dims: readonly number[], data: ArrayBufferView) =>
    ({ type, dims: [...dims], data, location: "cpu" }) as unknown as OnnxValue;

  const toOrt = ({ dtype, shape, data }: Tensor): OnnxValue => {
    const array = arrays[dtype];
    if (!array) throw new Error(`training feeds no tensors of ${dtype}`);
    return value(dtype, shape, new array(new Uint8Array(data).buffer));
  };

  const slotOf = (name: string) => {
    const slot = slots.get(name);
    if (!slot) throw new Error(`there is no slot ${name}`);
    return slot;
  };

  const fill = ({ name, from }: Slot) => {
    const { data } = slotOf(name);
    if (!from) {
      data.fill(0);
      return;
    }
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const file = fs.openSync(from.path, "r");
    try {
      for (let at = 0; at < bytes.length; ) {
        const count = Math.min(bytes.length - at, 1 << 28);
        const got = fs.readSync(file, bytes, at, count, from.offset + at);
        if (got === 0) throw new Error(`${from.path} ends early`);
        at += got;
      }
    } finally {
      fs.closeSync(file);
    }
  };

  const take = ({ outputs }: Program, results: InferenceSession.ReturnType) => {
    for (const { port, slot } of outputs) {
      slotOf(slot).data.set((results[port] as unknown as { data: Float32Array }).data);
    }
  };

  const run = async (request: Extract<Request, { do: "run" }>): Promise<Reply> => {
    const { program, session } = programs.get(request.program)!;
    for (const name of request.clear) slotOf(name).data.fill(0);
    const feeds: Record<string, OnnxValue> = {};
    for (const [name, tensor] of request.feeds) feeds[name] = toOrt(tensor);
    for (const { port, slot } of program.inputs) {
      const { data, shape } = slotOf(slot);
      feeds[port] = value("float32", shape, data);
    }
    const start = performance.now();
    if (inPlace) {
      const fetches: Record<string, OnnxValue | null> = { [sentinel]: null };
      for (const { port, slot, shape, trips } of program.outputs) {
        const { data } = slotOf(slot);
        const own = trips ? data.subarray(0, request.trips) : data;
        // Fetches that are no Tensor are passed over without a word.
        fetches[port] = new ort.Tensor("float32", own, trips ? [request.trips, ...shape] : shape);
      }
      const outcome = await session.run(feeds, fetches).catch((cause: Error) => cause);
      if (!(outcome instanceof Error)) {
        inPlace = false;
        take(program, outcome);
      } else if (outcome.message !== unconverted) throw outcome;
    } else {
      const ports = program.outputs.map(({ port }) => port);
      take(program, await session.run(feeds, ports));
    }
    const seconds = (performance.now() - start) / 1000;
    const values = request.read.map((name) => [name, slotOf(name).data.slice()] as const);
    return { values, seconds };
  };

  const answer = async (request: Request): Promise<Reply> => {
    switch (request.do) {
      case "open":
        for (const slot of request.slots) {
          const count = slot.shape.reduce((a, b) => a * b, 1);
          slots.set(slot.name, { data: new Float32Array(count), shape: slot.shape });
          if (slot.from) fill(slot);
        }
        for (const [name, program] of Object.entries(request.programs)) {
          const session = await ort.InferenceSession.create(program.path, request.options);
          programs.set(name, { program, session });
        }
        return { done: true, inPlace };
      case "run":
        return run(request);
      case "lend":
        return {
          values: request.slots.map((name) => [name, slotOf(name).data] as const),
          seconds: 0,
        };
      case "return":
        for (const [name, data] of request.arrays) slotOf(name).data = data;
        return { done: true, inPlace };
      case "close":
        for (const { session } of programs.values()) await session.release();
        programs.clear();
        slots.clear();
        return { done: true, inPlace };
    }
  };

  let turn: Promise<void> = Promise.resolve();
  parentPort!.on("message", (request: Request) => {
    turn = turn.then(async () => {
      const reply = await answer(request).catch(
        (cause): Reply => ({ error: cause instanceof Error ? cause.message : String(cause) }),
      );
      const lent = request.do === "lend" && "values" in reply ? reply.values : [];
      parentPort!.postMessage(
        reply,
        lent.map(([, data]) => data.buffer as ArrayBuffer),
      );
    });
  });
}
