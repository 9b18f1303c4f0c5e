/** The learning rate of a step: lr * min(1, (s + 1) / warmup) * schedule(s). */

export type Schedule =
  | { readonly kind: "constant" }
  /** Half a cosine over all steps, from the whole rate to the share `to` of it. */
  | { readonly kind: "cosine"; readonly to: number }
  /** Multiplied by `by` after every `every` steps. */
  | { readonly kind: "step"; readonly every: number; readonly by: number };

export interface RatePlan {
  readonly lr: number;
  /** Steps until the whole rate is reached; 0 for none. */
  readonly warmup: number;
  readonly schedule: Schedule;
  /** All steps of the stage. */
  readonly steps: number;
}

/** @param step counted from 0. */
export function learningRate({ lr, warmup, schedule, steps }: RatePlan, step: number): number {
  const warm = warmup > 0 ? Math.min(1, (step + 1) / warmup) : 1;
  return lr * warm * shareAt(schedule, step, steps);
}

/**
 * How much of the averaged weights a step keeps: `ema`, or with warm-up less in the first steps,
 * so that the average is not long that of weights before training.
 * @param step counted from 0.
 */
export function averageDecay(ema: number, warmup: boolean, step: number): number {
  return warmup ? Math.min(ema, (1 + step) / (10 + step)) : ema;
}

function shareAt(schedule: Schedule, step: number, steps: number): number {
  switch (schedule.kind) {
    case "constant":
      return 1;
    case "cosine":
      return schedule.to + ((1 - schedule.to) * (1 + Math.cos((Math.PI * step) / steps))) / 2;
    case "step":
      return schedule.by ** Math.floor(step / schedule.every);
  }
}
