/** The folder of a run, begun or gone on with: what must be the same for its bits to be. */
import { availableParallelism } from "node:os";
import { recipeJson } from "../../passes/train/describe.ts";
import {
  beginRun,
  type Dataset,
  type Device,
  fingerprintOf,
  type Json,
  memoryForUs,
  type Run,
  resumeRun,
} from "../../runtime/index.ts";
import { digestOf, type EditedModel, filesBeside } from "../editing.ts";
import { filesOf } from "../onnx/index.ts";
import type { TrainOptions } from "./options.ts";
import { outlineOf, type Prepared } from "./prepare.ts";

const usualStepsPerCall = { cpu: 1, cuda: 64 } as const;

/** @throws GraftError where the folder holds another run, none, or a damaged one. */
export async function openRun(
  options: TrainOptions,
  { model, plan }: EditedModel,
  dataset: Dataset,
  stages: readonly Prepared[],
  device: Device,
): Promise<Run> {
  const folder = options.run ?? `${options.out}.run`;
  const { set = {}, weights = [], seed = 0 } = options;
  const facts = {
    recipe: Object.fromEntries(
      stages.map(({ recipe }) => [recipe.stage, recipeJson(recipe) as Json]),
    ),
    // All bytes, at a second or less for a gigabyte: weights of a later training have the sizes of
    // these, copies have other times, and samples of the contents miss a single block.
    model: digestOf(filesOf(model)),
    edits: fingerprintOf([
      ...plan.sources.map(({ text }) => text),
      JSON.stringify(set),
      ...weights,
      digestOf(filesBeside(options)),
    ]),
    data: outlineOf(dataset),
    seed,
  };
  if (options.resume) return resumeRun(folder, facts);
  const stepsPerCall = options.stepsPerCall ?? usualStepsPerCall[device.kind];
  const memory = Math.floor(options.memory ?? memoryForUs());
  return beginRun(folder, facts, { stepsPerCall, threads: availableParallelism(), memory });
}
