import type { Device } from "../session/device.ts";
import { openSession } from "../session/session.ts";
import type { Tensors } from "../session/tensor.ts";

export interface Timing {
  readonly path: string;
  /** Of one run, after the first. */
  readonly medianMilliseconds: number;
  readonly fastestMilliseconds: number;
  /** Half of the runs lie within this share of the median, up or down. */
  readonly spread: number;
  /** What the model gave. */
  readonly outputs: Tensors;
}

export interface TimingOptions {
  /** Runs of each model that count; 20 unless said. */
  readonly runs?: number;
  readonly device?: Device | undefined;
  readonly threads?: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs models on the same inputs in turn, so that what else the machine does meets all of them
 * alike. One run of each comes before those that count.
 * @throws GraftError `model-refused`, `cuda-unavailable`; Error where a model does not take `feeds`.
 */
export async function timeModels(
  paths: readonly string[],
  feeds: Tensors,
  options: TimingOptions = {},
): Promise<Timing[]> {
  const { runs = 20, signal, ...settings } = options;
  const sessions = [];
  for (const path of paths) {
    // Prepacked: what a server that runs the model for long would do.
    sessions.push(await openSession(path, { ...settings, lean: false }));
  }
  try {
    const times: number[][] = paths.map(() => []);
    const outputs: Tensors[] = [];
    for (let round = 0; round <= runs; round++) {
      for (const [i, session] of sessions.entries()) {
        const result = await session.run(feeds, { signal });
        if (round === 0) outputs.push(result.outputs);
        else times[i]!.push(result.milliseconds);
      }
    }
    return paths.map((path, i) => ({ path, ...summary(times[i]!), outputs: outputs[i]! }));
  } finally {
    for (const session of sessions) await session.release();
  }
}

function summary(times: readonly number[]) {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.round(share * (sorted.length - 1))]!;
  const median = at(0.5);
  return {
    medianMilliseconds: median,
    fastestMilliseconds: at(0),
    spread: Math.max(at(0.75) - median, median - at(0.25)) / median,
  };
}
