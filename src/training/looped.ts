/**
 * Several steps in one call of the runtime. Each call moves all weights to a device and back, so on
 * CUDA this is what makes training fast.
 */
import { barrierName } from "../../passes/train/updates.ts";
import {
  averageDecay,
  type Feeds,
  learningRate,
  type Tensor,
  type Trainer,
  tensorOf,
} from "../../runtime/index.ts";
import { type FeedOptions, feedsOf } from "./feeds.ts";
import { type Programs, stepsProgram } from "./programs.ts";
import { NotFinite, type Outcome, outcomeOf } from "./stepper.ts";

/** How long a call may keep Ctrl-C waiting, in seconds. */
const patience = 2;

/**
 * @param most steps of a call.
 * @returns what takes steps from step `step`, counted from 0, on: one at first, then as many as two
 * seconds allow. How many does not change a bit.
 * @throws NotFinite
 */
export function createLoop(
  options: FeedOptions,
  { passes: [pass], norms, numbers: names }: Programs,
  trainer: Trainer,
  most: number,
): (step: number) => Promise<Outcome[]> {
  const { recipe } = options.stage;
  const { steps } = options.shape;
  const feeding = feedsOf(options);
  const losses = pass!.losses;
  let trips = 1;
  return async (first) => {
    const count = Math.min(trips, steps - first);
    const taken = Array.from({ length: count }, (_, i) => first + i);
    const rates = taken.map((step) => learningRate({ ...recipe, steps }, step));
    const { ema, emaWarmup } = recipe;
    const feeds = stacked(await Promise.all(taken.map((step) => feeding(step, 0))));
    const numbers = [
      [names.learningRate, tensorOf("float32", [count], rates)],
      [
        names.step,
        tensorOf(
          "int64",
          [count],
          taken.map((step) => step + 1),
        ),
      ],
      ...(ema === null || names.averageDecay === null
        ? []
        : [
            [
              names.averageDecay,
              tensorOf("float32", [count], decays(ema, emaWarmup, taken)),
            ] as const,
          ]),
    ] as const;
    const read = [...losses.map(({ slot }) => slot), ...norms.values()];
    const request = { program: stepsProgram, feeds: [...feeds, ...numbers], read, trips: count };
    const { values, seconds } = await trainer.run(request).catch((cause) => {
      const broken = cause instanceof Error && cause.message.includes(barrierName);
      throw broken ? new NotFinite(first, null, []) : cause;
    });
    trips = Math.max(1, Math.min(most, Math.floor((patience * count) / seconds)));
    return taken.map((_, i) =>
      outcomeOf(
        losses.map(({ slot, group }) => [group, values.get(slot)![i]!] as const),
        [...norms].map(([group, slot]) => [group, values.get(slot)![i]!] as const),
        rates[i]!,
      ),
    );
  };
}

function decays(ema: number, warmup: boolean, steps: readonly number[]): number[] {
  return steps.map((step) => averageDecay(ema, warmup, step));
}

/** One tensor for all steps, in the place of one for each. */
function stacked(feeds: readonly Feeds[]): [string, Tensor][] {
  return [...feeds[0]!].map(([name, { dtype, shape }]) => {
    const parts = feeds.map((each) => each.get(name)!.data);
    return [name, { dtype, shape: [feeds.length, ...shape], data: Buffer.concat(parts) }];
  });
}
