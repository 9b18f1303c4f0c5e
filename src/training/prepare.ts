/** The recipe blocks of a program, and the data that they train on: all that is known beforehand. */
import { type DataPlan, dataPlanOf } from "../../passes/train/data-plan.ts";
import type { Recipe } from "../../passes/train/recipe.ts";
import { type CheckedData, checkData, type Dataset, reportUnused } from "../../runtime/index.ts";
import { fail, type Reporter } from "../diag/diagnostic.ts";
import type { EditedModel } from "../editing.ts";
import type { Shape } from "./feeds.ts";
import { recipesOf } from "./stages.ts";

export interface Prepared {
  readonly recipe: Recipe;
  readonly plan: DataPlan;
  readonly data: CheckedData;
  readonly shape: Shape;
  /** Of the names of symbolic dimensions, the batch among them. */
  readonly sizes: ReadonlyMap<string, number>;
}

export interface PrepareOptions {
  readonly seed: number;
  /** In the place of the recipe's. */
  readonly steps: number | undefined;
  readonly batch: number | undefined;
  readonly signal: AbortSignal | undefined;
  readonly progress: ((done: number, total: number) => void) | undefined;
}

/** @throws GraftError with all that is wrong with the data. */
export async function prepareStages(
  edited: EditedModel,
  dataset: Dataset,
  options: PrepareOptions,
  reporter: Reporter,
): Promise<Prepared[]> {
  const stages: Prepared[] = [];
  for (const written of recipesOf(edited)) {
    const recipe = overridden(written, options);
    const plan = dataPlanOf(edited.model, recipe);
    const { batch, runs } = batchOf(recipe, plan);
    const data = await checkData(
      dataset,
      plan.wanted,
      { ...options, batch: recipe.batch * recipe.accumulate, amount: recipe.samples ?? undefined },
      reporter,
    );
    const steps = stepsOf(recipe, data.samples.length);
    const sizes = new Map(data.sizes);
    if (plan.batchName !== null) sizes.set(plan.batchName, batch);
    stages.push({ recipe, plan, data, shape: { steps, batch, runs }, sizes });
  }
  reporter.throwIfFailed();
  const wanted = stages.flatMap(({ plan }) => plan.wanted);
  reportUnused(dataset, wanted, reporter);
  return stages;
}

/** What a run must be resumed with: the same tensors, as far as a glance tells. */
export function outlineOf({ tensors }: Dataset): string {
  const lines = [...tensors].map(([name, tensor]) => {
    if (tensor.kind === "unusable") return `${name}: unusable`;
    return `${name}: ${tensor.dtype} ${[tensor.samples, ...tensor.shape].join("x")}`;
  });
  return lines.sort().join(", ");
}

function overridden(recipe: Recipe, { steps, batch }: PrepareOptions): Recipe {
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
