/** `graftc train`: compiles, runs the recipe blocks in order, and writes the trained model. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Comparison,
  checkDevice,
  type Dataset,
  memoryForUs,
  openData,
  type Run,
} from "../runtime/index.ts";
import { deviceOf } from "./device.ts";
import { type Diagnostic, fail, GraftError, Reporter } from "./diag/diagnostic.ts";
import { type EditedModel, editModel, refuseOverwrite } from "./editing.ts";
import { loadEdits } from "./edits.ts";
import type { Explanation } from "./explain/explanation.ts";
import { beginWrite } from "./onnx/index.ts";
import { checkOptions } from "./options.ts";
import { checkBounds, type Published, publish } from "./publish.ts";
import { commandToResume } from "./training/again.ts";
import { type Measured, measureStage } from "./training/measure.ts";
import { openRun } from "./training/open-run.ts";
import type { TrainOptions } from "./training/options.ts";
import { type Prepared, prepareStages } from "./training/prepare.ts";
import { runStage } from "./training/run-stage.ts";
import { learn, resultPath, tryStage, type Workplace, withStage } from "./training/stage-in-run.ts";

export interface StageResult {
  readonly kind: "distill" | "finetune";
  readonly steps: number;
  readonly secondsPerStep: number;
  readonly lossFirst: number | null;
  readonly lossLast: number | null;
  readonly sites: readonly string[];
  /** Of a dry run. */
  readonly memory?: Measured["memory"];
}

export interface TrainResult {
  readonly model: string;
  readonly out: string | null;
  /** Its folder. */
  readonly run: string | null;
  readonly stages: readonly StageResult[];
  readonly bytesWritten: number;
  readonly verification: Comparison | null;
  readonly explanations: readonly Explanation[];
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Trains what the edits made. Interrupted or killed at any moment, it goes on with `resume` from the
 * last checkpoint and comes to the same bits.
 * @throws GraftError for whatever is wrong with the recipe, the data or the run, before the first step.
 */
export async function train(options: TrainOptions): Promise<TrainResult> {
  checkOptions("train", options);
  refuseContradictions(options);
  const device = deviceOf(options.device ?? "cpu");
  checkDevice(device);
  const { program, diagnostics } = loadEdits(options.edits, options.set);
  refuseOverwrite(options.out, options, program, [options.data]);
  const edited = await editModel(options, program);
  checkBounds(edited.model, edited.plan, options);
  const { out = null, external } = options;
  if (out !== null && !options.dryRun) beginWrite(edited.model, out, { external }).abandon();
  const dataset = await openData(options.data);
  const reporter = new Reporter();
  const { seed = 0, steps, batch, signal } = options;
  const progress = (done: number, total: number) =>
    options.onProgress?.(done, total, `checking the data, ${Math.floor((100 * done) / total)}%`);
  const wishes = { seed, steps, batch, signal, progress };
  const stages = await prepareStages(edited, dataset, wishes, reporter);
  const work = { program, stages, device };
  const outcome = options.dryRun
    ? await rehearse(options, work)
    : await perform(options, edited, dataset, work);
  return {
    model: options.model,
    ...outcome,
    explanations: edited.explanations,
    diagnostics: [
      ...diagnostics,
      ...edited.diagnostics,
      ...reporter.diagnostics,
      ...outcome.diagnostics,
    ],
  };
}

type Outcome = Omit<TrainResult, "model" | "explanations">;
type Work = Pick<Workplace, "program" | "stages" | "device">;

function refuseContradictions({ out, dryRun, verify, resume, run }: TrainOptions): void {
  const wrong = (what: string) => fail("wrong-usage", { what });
  if (dryRun && verify) throw wrong("A dry run writes no model that --verify could run");
  if (dryRun && resume) throw wrong("A dry run has nothing to --resume");
  if (dryRun && run !== undefined) throw wrong("A dry run keeps nothing in --run");
  if (!dryRun && !out) throw fail("out-missing", {}, { hint: "say where to write: `-o OUT`" });
}

async function rehearse(options: TrainOptions, work: Work): Promise<Outcome> {
  const stages: StageResult[] = [];
  const threads = availableParallelism();
  const memory = options.memory ?? memoryForUs();
  for (const [index, { recipe, shape }] of work.stages.entries()) {
    const folder = mkdtempSync(join(tmpdir(), "graftc-"));
    const place = { ...work, threads, memory, most: 1, folder, results: null };
    const { sites, ...measured } = await withStage(options, place, index, async (context) => ({
      ...(await measureStage(context)),
      sites: context.stage.graph.losses.flatMap(({ group }) => group ?? []),
    }));
    stages.push({ kind: recipe.stage, steps: shape.steps, ...measured, sites });
  }
  return { out: null, run: null, stages, bytesWritten: 0, verification: null, diagnostics: [] };
}

async function perform(
  options: TrainOptions,
  edited: EditedModel,
  dataset: Dataset,
  work: Work,
): Promise<Outcome> {
  const { stages } = work;
  // A mistake of a later stage is told now, and not after hours of the first.
  if (!options.resume)
    for (const index of stages.keys()) if (index > 0) await tryStage(options, work, index);
  const run = await openRun(options, edited, dataset, stages, work.device);
  const again = commandToResume(options);
  const titles = stages.map(({ recipe }) => recipe.stage);
  try {
    const { threads, memory, stepsPerCall: most } = run.settings;
    for (const index of stages.keys()) {
      if (run.finished || (run.checkpoint && run.checkpoint.stage > index + 1)) continue;
      const folder = join(run.folder, "work");
      rmSync(folder, { recursive: true, force: true });
      mkdirSync(folder);
      const place = { ...work, threads, memory, most, folder, results: run.folder };
      const result = resultPath(run.folder, index + 1);
      await withStage(options, place, index, (context) =>
        runStage({ ...context, run, result, interval: options.interval ?? 180, again, titles }),
      );
    }
    if (!run.finished) await run.finish();
    const written = await writeResult(options, work, run.folder);
    const { bytesWritten, verification, diagnostics } = written;
    const results = stages.map((stage, index) => summaryOf(stage, run, index + 1));
    const out = options.out!;
    return { out, run: run.folder, stages: results, bytesWritten, verification, diagnostics };
  } catch (cause) {
    if (!options.signal?.aborted || cause instanceof GraftError) throw cause;
    if (!run.kept && !run.finished) throw cause;
    const when = run.kept ? `before step ${run.kept.step + 1}` : "before the model was written";
    const hint = `\`${again}\` goes on`;
    throw fail("run-interrupted", { when, path: run.folder }, { hint });
  } finally {
    run.close();
  }
}

async function writeResult(
  options: TrainOptions,
  { program, stages, device }: Work,
  folder: string,
): Promise<Published> {
  const edited = await editModel(options, program);
  learn({ ...edited, session: edited.report.session }, stages.length, folder);
  const { external, signal, out } = options;
  const write = beginWrite(edited.model, out!, { external, signal });
  try {
    return await publish(
      { model: edited.model, edited: true, keepsFunction: false },
      { ...options, device },
      write,
    );
  } finally {
    write.abandon();
  }
}

function summaryOf({ recipe, shape }: Prepared, run: Run, number: number): StageResult {
  const rows = run.rows(number);
  const seconds = rows.reduce((sum, row) => sum + row.seconds, 0);
  return {
    kind: recipe.stage,
    steps: shape.steps,
    secondsPerStep: rows.length > 0 ? seconds / rows.length : 0,
    lossFirst: rows[0]?.loss ?? null,
    lossLast: rows.at(-1)?.loss ?? null,
    sites: Object.keys(rows[0]?.sites ?? {}),
  };
}
