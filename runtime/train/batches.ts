/** The tensors of a step: samples of the data, and what is drawn for them. */
import { elements } from "../../src/ir/types.ts";
import { type Tensor, tensorOf } from "../session/tensor.ts";
import type { CheckedData } from "./data/check.ts";
import { drawsOf } from "./noise.ts";
import { orderOf } from "./order.ts";

export interface BatchOptions {
  readonly data: CheckedData;
  readonly seed: number;
  /** Samples of one run of the graph, and how many runs make a step. */
  readonly batch: number;
  readonly runs: number;
  readonly time: {
    readonly name: string;
    readonly dtype: Tensor["dtype"];
    readonly steps: number;
  } | null;
  /** The input whose noise is drawn, and what that is fed as. */
  readonly sample: string | null;
  readonly noise: string | null;
  readonly dropped: {
    readonly name: string;
    readonly chance: number;
    readonly by: number;
  } | null;
}

export type Feeds = Map<string, Tensor>;

/** The feeds of run `run` of step `step`: a function of the seed and these two. */
export function batchesOf(options: BatchOptions): (step: number, run: number) => Feeds {
  const { data, seed, batch, runs, time, sample, noise, dropped } = options;
  const order = orderOf(seed, data.samples, batch * runs);
  const timesteps = drawsOf(seed, "timestep");
  const noises = drawsOf(seed, "noise");
  const drops = drawsOf(seed, "label drop");
  return (step, run) => {
    const first = run * batch;
    const samples = order.samplesOf(step).slice(first, first + batch);
    const feeds: Feeds = new Map();
    for (const [name, feed] of data.feeds) {
      const shape = [batch, ...feed.shape];
      feeds.set(name, { dtype: feed.dtype, shape, data: feed.read(samples) });
    }
    if (time) {
      const drawn = new Uint32Array(1);
      const steps = samples.map((_, i) => {
        timesteps.integers(step, first + i, time.steps, drawn);
        return drawn[0]!;
      });
      feeds.set(time.name, numbers(time.dtype, steps));
    }
    if (sample !== null && noise !== null) {
      const { shape } = data.feeds.get(sample)!;
      const size = elements(shape);
      const drawn = new Float32Array(batch * size);
      samples.forEach((_, i) => {
        noises.normals(step, first + i, drawn.subarray(i * size, (i + 1) * size));
      });
      const bytes = new Uint8Array(drawn.buffer);
      feeds.set(noise, { dtype: "float32", shape: [batch, ...shape], data: bytes });
    }
    if (dropped) {
      const labels = feeds.get(dropped.name)!;
      const none = tensorOf(labels.dtype, [], [dropped.by]).data;
      const data = new Uint8Array(labels.data);
      const size = data.length / batch;
      samples.forEach((_, i) => {
        if (!drops.happens(step, first + i, dropped.chance)) return;
        for (let at = i * size; at < (i + 1) * size; at += none.length) data.set(none, at);
      });
      feeds.set(dropped.name, { ...labels, data });
    }
    return feeds;
  };
}

function numbers(dtype: Tensor["dtype"], values: readonly number[]): Tensor {
  const array =
    dtype === "int64"
      ? BigInt64Array.from(values, BigInt)
      : dtype === "int32"
        ? Int32Array.from(values)
        : Float32Array.from(values);
  return { dtype, shape: [values.length], data: new Uint8Array(array.buffer) };
}
