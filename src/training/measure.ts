/** `--dry-run`: what a stage would take, by two of its steps. */
import type { Need } from "./fit.ts";
import { explain } from "./not-finite.ts";
import { openStage, type StageContext } from "./run-stage.ts";
import { createStepper } from "./stepper.ts";

export interface Measured {
  readonly secondsPerStep: number;
  readonly lossFirst: number;
  readonly lossLast: number;
  /** Bytes: as estimated beforehand, and the most that the process has taken so far. */
  readonly memory: { readonly estimated: Need; readonly measured: number };
}

const steps = 2;

/** Keeps nothing. The first step also sets things up, so the second is what counts. */
export async function measureStage(context: StageContext): Promise<Measured> {
  const { stage, signal } = context;
  const { programs, trainer } = await openStage({ ...context, most: 1 }, null);
  try {
    const stepper = createStepper(context, programs, trainer);
    const losses: number[] = [];
    let seconds = 0;
    for (let step = 0; step < steps; step++) {
      const began = performance.now();
      const { loss } = await stepper(step).catch(async (cause) => {
        const { graph, recipe } = stage;
        throw await explain(cause, step, { graph, trainer, span: recipe.span, kept: null });
      });
      seconds = (performance.now() - began) / 1000;
      losses.push(loss);
      signal?.throwIfAborted();
    }
    const measured = 1024 * process.resourceUsage().maxRSS;
    return {
      secondsPerStep: seconds,
      lossFirst: losses[0]!,
      lossLast: losses.at(-1)!,
      memory: { estimated: stage.need, measured },
    };
  } finally {
    await trainer.close();
  }
}
