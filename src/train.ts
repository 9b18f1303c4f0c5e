/** `graftc train`: compiles, runs the recipe blocks in order, and writes the trained model. */
import { mkdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { type DataPlan, dataPlanOf } from "../passes/train/data-plan.ts";
import { recipeJson } from "../passes/train/describe.ts";
import type { Edited } from "../passes/train/parameters.ts";
import type { Recipe } from "../passes/train/recipe.ts";
import { storeResults } from "../passes/train/results.ts";
import {
  beginRun,
  type CheckedData,
  checkData,
  type Device,
  fingerprintOf,
  type Json,
  openData,
  parseDevice,
  type Run,
  resumeRun,
} from "../runtime/index.ts";
import { type Diagnostic, fail, Reporter } from "./diag/diagnostic.ts";
import { digestOf, type EditedModel, type EditingOptions, editModel } from "./editing.ts";
import { loadEdits, type Settings } from "./edits.ts";
import { type External, readSafetensors, type StoredTensor, writeModel } from "./onnx/index.ts";
import type { Program } from "./plan/index.ts";
import { recipesOf, type StageOptions, stageOf } from "./stages.ts";
import { openTeacher } from "./teacher.ts";
import { resultFile, runStage, type Shape, type StageResult } from "./train-stage.ts";

export interface TrainOptions extends EditingOptions {
  readonly edits: readonly string[];
  /** `.safetensors`, `.npz`, `.npy`, or a folder of them. */
  readonly data: string;
  readonly out: string;
  readonly set?: Settings | undefined;
  readonly external?: External | undefined;
  /** Checkpoints, log and chart; `<out>.run` unless said. */
  readonly run?: string | undefined;
  /** Goes on where the run stopped. */
  readonly resume?: boolean | undefined;
  /** In the place of the recipe's. */
  readonly steps?: number | undefined;
  readonly batch?: number | undefined;
  /** `cpu` or `cuda[:N]`. */
  readonly device?: string | undefined;
  readonly onProgress?: ((done: number, total: number, words: string) => void) | undefined;
}

export interface TrainResult {
  readonly model: string;
  readonly out: string;
  readonly run: string;
  readonly stages: readonly StageResult[];
  readonly bytesWritten: number;
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Trains what the edits made. Interrupted or killed at any moment, it goes on with `resume` from the
 * last checkpoint and comes to the same bits.
 * @throws GraftError for whatever is wrong with the recipe, the data or the run, before the first step.
 */
export async function train(options: TrainOptions): Promise<TrainResult> {
  const { program, diagnostics } = loadEdits(options.edits, options.set);
  const edited = await editModel(options, program);
  const reporter = new Reporter();
  const recipes = recipesOf(edited).map((recipe) => overridden(recipe, options));
  const folder = options.run ?? `${options.out}.run`;
  const device = deviceOf(options.device ?? "cpu");
  const data = await openData(options.data);
  const stages: Prepared[] = [];
  for (const recipe of recipes) {
    const plan = dataPlanOf(edited.model, recipe);
    const { batch, runs } = batchOf(recipe, plan);
    const amount = recipe.samples ?? undefined;
    const total = recipe.batch * recipe.accumulate;
    const seed = options.seed ?? 0;
    const checked = await checkData(
      data,
      plan.wanted,
      { batch: total, amount, seed, signal: options.signal },
      reporter,
    );
    const steps = stepsOf(recipe, checked.samples.length);
    stages.push({ recipe, plan, data: checked, shape: { steps, batch, runs } });
  }
  reporter.throwIfFailed();
  const run = await openRun(options, edited, recipes, folder);
  const results: StageResult[] = [];
  for (const index of stages.keys()) {
    const inner = join(folder, `stage${index + 1}`);
    if (run.checkpoint && run.checkpoint.stage > index + 1) {
      results.push(finishedStage(stages[index]!));
      continue;
    }
    results.push(await trainStage(options, program, { run, folder, inner, device }, stages, index));
  }
  const bytesWritten = await writeResult(options, program, stages, folder);
  return {
    model: options.model,
    out: options.out,
    run: folder,
    stages: results,
    bytesWritten,
    diagnostics: [...diagnostics, ...edited.diagnostics, ...reporter.diagnostics],
  };
}

interface Prepared {
  readonly recipe: Recipe;
  readonly plan: DataPlan;
  readonly data: CheckedData;
  readonly shape: Shape;
}

interface Place {
  readonly run: Run;
  readonly folder: string;
  readonly inner: string;
  readonly device: Device;
}

async function trainStage(
  options: TrainOptions,
  program: Program,
  { run, folder, inner, device }: Place,
  stages: readonly Prepared[],
  index: number,
): Promise<StageResult> {
  const { recipe, plan, data, shape } = stages[index]!;
  mkdirSync(inner, { recursive: true });
  const sizes = new Map(data.sizes);
  if (plan.batchName !== null) sizes.set(plan.batchName, shape.batch);
  const graph = { sizes, noised: true };
  const prepare: StageOptions["prepare"] = (edited) =>
    learn(edited, stages.slice(0, index), folder);
  const made = await stageOf(options, program, index, { prepare, graph });
  const stage = { ...made, recipe };
  const { threads } = run.settings;
  const teacher = await openTeacher(stage, options.model, { folder: inner, device, threads });
  try {
    return await runStage({
      stage,
      number: index + 1,
      shape,
      plan,
      data,
      teacher,
      run,
      folder: inner,
      seed: options.seed ?? 0,
      device,
      signal: options.signal,
      onProgress: options.onProgress ?? (() => {}),
    });
  } finally {
    await teacher?.close();
  }
}

/** Puts what stages before learned into an edited model. */
function learn(edited: Edited, stages: readonly Prepared[], folder: string): void {
  for (const [index, { recipe }] of stages.entries()) {
    const { tensors } = readSafetensors(join(folder, `stage${index + 1}`, resultFile));
    storeResults(recipe, edited, tensors as ReadonlyMap<string, StoredTensor>);
  }
}

async function writeResult(
  options: TrainOptions,
  program: Program,
  stages: readonly Prepared[],
  folder: string,
): Promise<number> {
  const edited = await editModel(options, program);
  learn({ ...edited, session: edited.report.session }, stages, folder);
  const { external, signal } = options;
  const { bytesWritten } = await writeModel(edited.model, options.out, { external, signal });
  return bytesWritten;
}

function overridden(recipe: Recipe, { steps, batch }: TrainOptions): Recipe {
  return {
    ...recipe,
    ...(steps !== undefined && { length: { steps } }),
    ...(batch !== undefined && { batch }),
  };
}

/** A model with a fixed batch takes its part of a larger one at a time. */
function batchOf({ batch, accumulate, span }: Recipe, { fixedBatch }: DataPlan) {
  if (fixedBatch === null) return { batch, runs: accumulate };
  if (batch % fixedBatch !== 0) {
    throw fail("batch-not-whole", { batch, fixed: fixedBatch }, { at: span });
  }
  return { batch: fixedBatch, runs: (accumulate * batch) / fixedBatch };
}

function stepsOf({ length, batch, accumulate }: Recipe, samples: number): number {
  if ("steps" in length) return length.steps;
  return Math.max(1, Math.ceil((length.epochs * samples) / (batch * accumulate)));
}

function finishedStage({ recipe, shape }: Prepared): StageResult {
  const nothing = { secondsPerStep: 0, lossFirst: null, lossLast: null, sites: [] };
  return { kind: recipe.stage, steps: shape.steps, ...nothing };
}

async function openRun(
  options: TrainOptions,
  { plan }: EditedModel,
  recipes: readonly Recipe[],
  folder: string,
): Promise<Run> {
  const facts = {
    recipe: recipes.map((recipe) => ({ stage: recipe.stage, ...recipeJson(recipe) })) as Json,
    model: digestOf(options.model),
    edits: fingerprintOf(plan.sources.map(({ text }) => text)),
    seed: options.seed ?? 0,
  };
  if (options.resume) return resumeRun(folder, facts);
  return beginRun(folder, facts, { stepsPerCall: 1, threads: availableParallelism() });
}

function deviceOf(text: string): Device {
  const device = parseDevice(text);
  if (!device) throw fail("wrong-usage", { what: `there is no device \`${text}\`` });
  return device;
}
