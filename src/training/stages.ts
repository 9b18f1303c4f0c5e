/** The recipe blocks of a program as training graphs, one stage after the other. */

import { distillGraph } from "../../passes/train/distill.ts";
import { type FinetuneGraph, finetuneGraph } from "../../passes/train/finetune.ts";
import type { Edited } from "../../passes/train/parameters.ts";
import { type Recipe, recipeOf } from "../../passes/train/recipe.ts";
import type { GraphOptions, LossGraph } from "../../passes/train/training-graph.ts";
import { fail, placed } from "../diag/diagnostic.ts";
import { type EditedModel, type EditingOptions, editModel } from "../editing.ts";
import type { Program } from "../plan/index.ts";

export interface Stage {
  readonly recipe: Recipe;
  readonly graph: LossGraph & Partial<FinetuneGraph>;
  readonly edited: EditedModel;
}

/**
 * The recipes in the order written.
 * @throws GraftError `no-recipe`; `recipe-twice` where two blocks ask for the same stage.
 */
export function recipesOf({ plan }: Pick<EditedModel, "plan">): Recipe[] {
  const recipes = plan.recipes.map(recipeOf);
  if (recipes.length === 0) {
    const hint = "add `finetune { objective: output, steps: 1000 }`";
    throw fail("no-recipe", {}, { hint });
  }
  const twice = recipes.find(({ stage }, i) => recipes.findIndex((r) => r.stage === stage) < i);
  if (twice) throw fail("recipe-twice", { stage: twice.stage }, { at: twice.span });
  return recipes;
}

export interface StageOptions {
  /** Changes the edited model before its graph is made: puts in what an earlier stage learned. */
  readonly prepare?: (edited: Edited) => void;
  readonly graph: GraphOptions;
}

/** Edits the model anew and makes the graph of its `index`th recipe: training graphs consume their model. */
export async function stageOf(
  editing: EditingOptions,
  program: Program,
  index: number,
  { prepare = () => {}, graph: options }: StageOptions,
): Promise<Stage> {
  const edited = await editModel(editing, program);
  const recipe = recipesOf(edited)[index]!;
  const parts: Edited = { ...edited, session: edited.report.session };
  prepare(parts);
  const { oracle } = edited;
  try {
    const graph =
      recipe.stage === "distill"
        ? await distillGraph(recipe, parts, await edited.original(), oracle, options)
        : await finetuneGraph(recipe, parts, oracle, options);
    return { recipe, graph, edited };
  } catch (cause) {
    throw placed(cause, recipe.span);
  }
}
