/** One stage of training: its steps, its log, its checkpoints. */
import type { DataPlan } from "../../passes/train/data-plan.ts";
import {
  type CheckedData,
  createMeter,
  type Device,
  openTrainer,
  progressLine,
  type Run,
  type Trainer,
} from "../../runtime/index.ts";
import { fail } from "../diag/diagnostic.ts";
import type { Shape } from "./feeds.ts";
import { createLoop } from "./looped.ts";
import { explain } from "./not-finite.ts";
import { isLooped, type Programs, writePrograms } from "./programs.ts";
import { saveCheckpoint, saveResult } from "./save.ts";
import type { FittedStage } from "./stage-graphs.ts";
import { createStepper, type Outcome } from "./stepper.ts";
import type { Teacher } from "./teacher.ts";

export interface StageContext {
  readonly stage: FittedStage;
  /** Of the program's recipe blocks, from 1. */
  readonly number: number;
  readonly shape: Shape;
  readonly plan: DataPlan;
  readonly data: CheckedData;
  readonly teacher: Teacher | null;
  /** For graphs. */
  readonly folder: string;
  readonly threads: number;
  /** Steps of one call of the runtime. */
  readonly most: number;
  readonly seed: number;
  readonly device: Device;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: (done: number, total: number, words: string) => void;
}

export interface RunContext extends StageContext {
  readonly run: Run;
  /** For what the stage learns. */
  readonly result: string;
  /** Seconds between two checkpoints. */
  readonly interval: number;
  /** The command that goes on with it. */
  readonly again: string;
  /** Of all stages. */
  readonly titles: readonly string[];
}

/**
 * Runs what is left of a stage. Interrupted, it finishes the step and keeps a checkpoint.
 * @throws GraftError `loss-not-finite`, `gradient-not-finite`, `step-failed`; `run-interrupted` once the
 * checkpoint is kept.
 */
export async function runStage(context: RunContext): Promise<void> {
  const { stage, number, shape, run, signal } = context;
  const resumed = run.checkpoint?.stage === number ? run.checkpoint : null;
  const { programs, trainer } = await openStage(context, resumed?.tensors ?? null);
  try {
    const take = stepping(context, programs, trainer);
    const first = resumed?.step ?? 0;
    const meter = createMeter(first, performance.now());
    let done = first;
    let kept = performance.now();
    const keep = async () => {
      await saveCheckpoint(run, programs, trainer, { stage: number, step: done });
      await run.draw(context.titles);
      kept = performance.now();
    };
    while (done < shape.steps) {
      const began = performance.now();
      const outcomes = await take(done).catch(async (cause) => {
        const state = run.kept === null ? null : `${run.folder} keeps step ${run.kept.step}`;
        const { graph, recipe } = stage;
        throw await explain(cause, done, { graph, trainer, span: recipe.span, kept: state });
      });
      const seconds = (performance.now() - began) / 1000 / outcomes.length;
      for (const outcome of outcomes) {
        run.log.append({ stage: number, step: ++done, ...outcome, seconds });
      }
      meter.note(done, performance.now());
      const stepsPerSecond = meter.stepsPerSecond();
      const { loss } = outcomes.at(-1)!;
      const words = { step: done, steps: shape.steps, loss, stepsPerSecond };
      context.onProgress(done, shape.steps, progressLine(words));
      if (signal?.aborted) {
        await keep();
        throw interrupted(context, done);
      }
      if (performance.now() - kept > 1000 * context.interval) await keep();
    }
    await saveResult(context.result, stage.graph, programs, trainer);
    await keep();
  } finally {
    await trainer.close();
  }
}

/** What takes steps from one on, one or several at a time. */
function stepping(
  context: StageContext,
  programs: Programs,
  trainer: Trainer,
): (step: number) => Promise<Outcome[]> {
  const { stage, shape, most } = context;
  if (isLooped(stage.graphs, { ...shape, most })) {
    return createLoop(context, programs, trainer, most);
  }
  const stepper = createStepper(context, programs, trainer);
  return async (step) => [await stepper(step)];
}

/** The graphs of a stage, and the thread that runs them. */
export async function openStage(
  { stage, shape, folder, device, threads, most }: StageContext,
  kept: Parameters<typeof writePrograms>[3]["kept"],
): Promise<{ readonly programs: Programs; readonly trainer: Trainer }> {
  const { runs } = shape;
  const programs = await writePrograms(stage, stage.graphs, folder, { runs, kept, most });
  const trainer = await openTrainer({ ...programs, device, threads });
  return { programs, trainer };
}

function interrupted({ stage, run, shape, again }: RunContext, done: number) {
  const when = `after step ${done} of ${shape.steps} of ${stage.recipe.stage}`;
  return fail("run-interrupted", { when, path: run.folder }, { hint: `\`${again}\` goes on` });
}
