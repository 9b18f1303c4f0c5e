/** One stage of training: its steps, its log, its checkpoints. */
import { join } from "node:path";
import type { DataPlan } from "../passes/train/data-plan.ts";
import { noiseName } from "../passes/train/noised.ts";
import {
  batchesOf,
  type CheckedData,
  createMeter,
  type Device,
  type Feeds,
  float32,
  int64,
  learningRate,
  openTrainer,
  progressLine,
  type Run,
  type Trainer,
} from "../runtime/index.ts";
import { fail } from "./diag/diagnostic.ts";
import { inMemory } from "./ir/bytes.ts";
import { type StoredTensor, writeSafetensors } from "./onnx/index.ts";
import type { Stage } from "./stages.ts";
import type { Teacher } from "./teacher.ts";
import { type Programs, writePrograms } from "./train-programs.ts";

/** How long a stage is, and how a step is put together. */
export interface Shape {
  readonly steps: number;
  /** Samples of one run of the training graph, and runs of a step. */
  readonly batch: number;
  readonly runs: number;
}

export interface StageContext {
  readonly stage: Stage;
  /** Of the program's recipe blocks, from 1. */
  readonly number: number;
  readonly shape: Shape;
  readonly plan: DataPlan;
  readonly data: CheckedData;
  readonly teacher: Teacher | null;
  readonly run: Run;
  /** For graphs and results. */
  readonly folder: string;
  readonly seed: number;
  readonly device: Device;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: (done: number, total: number, words: string) => void;
}

export interface StageResult {
  readonly kind: "distill" | "finetune";
  readonly steps: number;
  readonly secondsPerStep: number;
  readonly lossFirst: number | null;
  readonly lossLast: number | null;
  readonly sites: readonly string[];
}

/** Between two checkpoints. */
const interval = 180_000;

/** What a stage learned, beside its graphs. */
export const resultFile = "result.safetensors";

/**
 * Runs what is left of a stage. Interrupted, it finishes the step and keeps a checkpoint.
 * @throws GraftError `loss-not-finite`; the reason of the signal once the checkpoint is kept.
 */
export async function runStage(context: StageContext): Promise<StageResult> {
  const { stage, number, shape, run, folder, device, signal } = context;
  const resumed = run.checkpoint?.stage === number ? run.checkpoint : null;
  const programs = await writePrograms(stage, folder, shape.runs, resumed?.tensors ?? null);
  const trainer = await openTrainer({
    slots: programs.slots,
    programs: { training: programs.training, optimizer: programs.optimizer },
    device,
    threads: run.settings.threads,
  });
  try {
    const stepper = createStepper(context, programs, trainer);
    const first = resumed?.step ?? 0;
    const meter = createMeter(first, performance.now());
    const losses: number[] = [];
    let spent = 0;
    let kept = performance.now();
    const keep = async (step: number) => {
      await saveCheckpoint(context, programs, trainer, step);
      kept = performance.now();
    };
    for (let step = first; step < shape.steps; step++) {
      const began = performance.now();
      const outcome = await stepper(step);
      const seconds = (performance.now() - began) / 1000;
      spent += seconds;
      losses.push(outcome.loss);
      run.log.append({ stage: number, step: step + 1, ...outcome, seconds });
      meter.note(step + 1, performance.now());
      const stepsPerSecond = meter.stepsPerSecond();
      const words = { step: step + 1, steps: shape.steps, loss: outcome.loss, stepsPerSecond };
      context.onProgress(step + 1, shape.steps, progressLine(words));
      if (signal?.aborted) {
        await keep(step + 1);
        signal.throwIfAborted();
      }
      if (performance.now() - kept > interval) await keep(step + 1);
    }
    await saveResult(programs, trainer, folder);
    await keep(shape.steps);
    return {
      kind: stage.recipe.stage,
      steps: shape.steps,
      secondsPerStep: losses.length ? spent / losses.length : 0,
      lossFirst: losses[0] ?? null,
      lossLast: losses.at(-1) ?? null,
      sites: programs.losses.flatMap(({ group }) => group ?? []),
    };
  } finally {
    await trainer.close();
  }
}

interface Outcome {
  readonly loss: number;
  readonly sites?: Readonly<Record<string, number>>;
  readonly grad_norm: number | Readonly<Record<string, number>>;
  readonly lr: number;
}

function createStepper(
  { stage, shape, plan, data, teacher, seed }: StageContext,
  programs: Programs,
  trainer: Trainer,
): (step: number) => Promise<Outcome> {
  const { recipe, graph } = stage;
  const batches = batchesOf({ ...plan, data, seed, ...shape, noise: noiseName });
  const ports = new Set(graph.data.map(({ name }) => name));
  const feedsOf = async (step: number, run: number): Promise<Feeds> => {
    const feeds = batches(step, run);
    const targets = teacher ? await teacher.targets(feeds) : [];
    return new Map([...feeds, ...targets].filter(([name]) => ports.has(name)));
  };
  let ahead: { readonly of: string; readonly feeds: Promise<Feeds> } | undefined;
  const losses = programs.losses.map(({ slot }) => slot);
  const groups = programs.losses.flatMap(({ slot, group }) => (group ? [[slot, group]] : []));
  return async (step) => {
    const sums = new Map(losses.map((slot) => [slot, 0]));
    for (let run = 0; run < shape.runs; run++) {
      const here = `${step}.${run}`;
      const feeds = await (ahead?.of === here ? ahead.feeds : feedsOf(step, run));
      const running = trainer.run({
        program: "training",
        feeds: [...feeds],
        clear: shape.runs > 1 && run === 0 ? programs.gradients : [],
        read: losses,
      });
      // The next batch is read and drawn while the thread computes.
      const [then, part] = run + 1 < shape.runs ? [step, run + 1] : [step + 1, 0];
      if (then < shape.steps) ahead = { of: `${then}.${part}`, feeds: feedsOf(then, part) };
      const { values } = await running;
      for (const slot of losses)
        sums.set(slot, sums.get(slot)! + values.get(slot)![0]! / shape.runs);
    }
    const loss = sums.get(losses[0]!)!;
    if (!Number.isFinite(loss))
      throw fail("loss-not-finite", { step: step + 1, loss: String(loss) });
    const lr = learningRate({ ...recipe, steps: shape.steps }, step);
    const { values } = await trainer.run({
      program: "optimizer",
      feeds: [
        ["learning_rate", float32(lr)],
        ["step", int64(step + 1)],
        ...(recipe.ema === null ? [] : [["ema_decay", float32(recipe.ema)] as const]),
      ],
      read: [...programs.norms.values()],
    });
    const norms = [...programs.norms].map(
      ([group, slot]) => [group, values.get(slot)![0]!] as const,
    );
    return {
      loss,
      ...(groups.length > 0 && {
        sites: Object.fromEntries(groups.map(([slot, group]) => [group!, sums.get(slot!)!])),
      }),
      grad_norm:
        norms.length === 1 && norms[0]![0] === "" ? norms[0]![1] : Object.fromEntries(norms),
      lr,
    };
  };
}

/** The arrays of the trainer, as tensors of a file. */
function storedIn(
  programs: Programs,
  arrays: ReadonlyMap<string, Float32Array>,
  names: Iterable<readonly [name: string, slot: string]>,
): Map<string, StoredTensor> {
  const shapes = new Map(programs.slots.map(({ name, shape }) => [name, shape]));
  return new Map(
    [...names].map(([name, slot]) => {
      const { buffer, byteOffset, byteLength } = arrays.get(slot)!;
      const data = inMemory(new Uint8Array(buffer, byteOffset, byteLength));
      return [name, { dtype: "float32", shape: shapes.get(slot)!, data }];
    }),
  );
}

async function saveCheckpoint(
  { run, number }: StageContext,
  programs: Programs,
  trainer: Trainer,
  step: number,
): Promise<void> {
  await trainer.borrow(programs.kept, (arrays) => {
    const names = programs.kept.map((name) => [name, name] as const);
    return run.save({ stage: number, step, tensors: storedIn(programs, arrays, names) });
  });
}

async function saveResult(programs: Programs, trainer: Trainer, folder: string): Promise<void> {
  await trainer.borrow([...programs.results.values()], (arrays) =>
    writeSafetensors(
      join(folder, resultFile),
      storedIn(programs, arrays, programs.results),
      {},
      { durable: true },
    ),
  );
}
