/** A step: the training graphs over its samples, then the optimizer. */
import { barrierName } from "../../passes/train/updates.ts";
import {
  averageDecay,
  type Feeds,
  float32,
  int64,
  learningRate,
  type Trainer,
} from "../../runtime/index.ts";
import { type FeedOptions, feedsOf } from "./feeds.ts";
import { optimizerProgram, type Pass, type Programs } from "./programs.ts";

export interface Outcome {
  readonly loss: number;
  readonly sites?: Readonly<Record<string, number>>;
  readonly grad_norm: number | Readonly<Record<string, number>>;
  readonly lr: number;
}

/** A loss or a gradient of a step is not finite; weights are still those before the step. */
export class NotFinite extends Error {
  readonly step: number;
  /** null: the gradient. */
  readonly loss: number | null;
  /** The runs that may show where it came from. */
  readonly suspects: readonly { readonly pass: Pass; readonly feeds: Feeds }[];

  constructor(step: number, loss: number | null, suspects: NotFinite["suspects"]) {
    super(`step ${step} is not finite`);
    this.step = step;
    this.loss = loss;
    this.suspects = suspects;
  }
}

/** @returns what takes step `step`, from 0. @throws NotFinite */
export function createStepper(
  options: FeedOptions,
  { passes, norms, numbers: names }: Programs,
  trainer: Trainer,
): (step: number) => Promise<Outcome> {
  const { stage, shape } = options;
  const { recipe } = stage;
  const feeding = feedsOf(options);
  let ahead: { readonly of: string; readonly feeds: Promise<Feeds> } | undefined;
  const losses = passes.flatMap((pass) => pass.losses);

  /** Reads and draws the next batch while the thread computes. */
  function prepare(step: number, run: number): void {
    const [then, part] = run + 1 < shape.runs ? [step, run + 1] : [step + 1, 0];
    if (then >= shape.steps) return;
    const feeds = feeding(then, part);
    // It is awaited later, or never where this step fails.
    feeds.catch(() => {});
    ahead = { of: `${then}.${part}`, feeds };
  }

  /** Losses of one run, by their slots. */
  async function accumulate(step: number, run: number): Promise<Map<string, number>> {
    const here = `${step}.${run}`;
    const feeds = await (ahead?.of === here ? ahead.feeds : feeding(step, run));
    const found = new Map<string, number>();
    for (const [i, pass] of passes.entries()) {
      const read = pass.losses.map(({ slot }) => slot);
      const clear = shape.runs > 1 && run === 0 ? pass.gradients : [];
      const running = trainer.run({ program: pass.program, feeds: [...feeds], clear, read });
      if (i === 0) prepare(step, run);
      const { values } = await running;
      for (const slot of read) {
        const loss = values.get(slot)![0]!;
        if (!Number.isFinite(loss)) throw new NotFinite(step, loss, [{ pass, feeds }]);
        found.set(slot, loss);
      }
    }
    return found;
  }

  async function update(step: number, lr: number): Promise<ReadonlyMap<string, Float32Array>> {
    const { ema, emaWarmup } = recipe;
    const feeds = [
      [names.learningRate, float32(lr)],
      [names.step, int64(step + 1)],
      ...(ema === null || names.averageDecay === null
        ? []
        : [[names.averageDecay, float32(averageDecay(ema, emaWarmup, step))] as const]),
    ] as const;
    try {
      const read = [...norms.values()];
      const { values } = await trainer.run({ program: optimizerProgram, feeds, read });
      return values;
    } catch (cause) {
      if (!(cause instanceof Error && cause.message.includes(barrierName))) throw cause;
      const runs = await Promise.all(
        Array.from({ length: shape.runs }, (_, run) => feeding(step, run)),
      );
      const suspects = runs.flatMap((feeds) => passes.map((pass) => ({ pass, feeds })));
      throw new NotFinite(step, null, suspects);
    }
  }

  return async (step) => {
    const sums = new Map(losses.map(({ slot }) => [slot, 0]));
    for (let run = 0; run < shape.runs; run++) {
      for (const [slot, loss] of await accumulate(step, run)) {
        sums.set(slot, sums.get(slot)! + loss / shape.runs);
      }
    }
    const lr = learningRate({ ...recipe, steps: shape.steps }, step);
    const values = await update(step, lr);
    const found = losses.map(({ slot, group }) => [group, sums.get(slot)!] as const);
    const sizes = [...norms].map(([group, slot]) => [group, values.get(slot)![0]!] as const);
    return outcomeOf(found, sizes, lr);
  };
}

/** @param losses of groups; null: of all. @param norms of the gradients of groups, "": of all. */
export function outcomeOf(
  losses: readonly (readonly [group: string | null, loss: number])[],
  norms: readonly (readonly [group: string, norm: number])[],
  lr: number,
): Outcome {
  const sites = losses.flatMap(([group, loss]) => (group ? [[group, loss]] : []));
  const alone = norms.length === 1 && norms[0]![0] === "";
  return {
    loss: losses.reduce((sum, [, loss]) => sum + loss, 0),
    ...(sites.length > 0 && { sites: Object.fromEntries(sites) }),
    grad_norm: alone ? norms[0]![1] : Object.fromEntries(norms),
    lr,
  };
}
