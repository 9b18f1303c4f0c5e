/** What can be said of a program's recipe blocks before there is data. */
import { dataPlanOf } from "../../passes/train/data-plan.ts";
import { addGradients } from "../../passes/train/training-graph.ts";
import { type Diagnostic, GraftError } from "../diag/diagnostic.ts";
import { type EditingOptions, editModel } from "../editing.ts";
import type { Program } from "../plan/index.ts";
import { recipesOf, stageOf } from "./stages.ts";

export async function checkRecipes(
  options: EditingOptions,
  program: Program,
): Promise<readonly Diagnostic[]> {
  if (program.recipes.length === 0) return [];
  const found: Diagnostic[] = [];
  const attempt = async (step: () => Promise<void>) => {
    try {
      await step();
    } catch (cause) {
      if (!(cause instanceof GraftError)) throw cause;
      found.push(...cause.diagnostics);
    }
  };
  await attempt(async () => {
    const edited = await editModel(options, program);
    for (const [index, recipe] of recipesOf(edited).entries()) {
      await attempt(async () => {
        dataPlanOf(edited.model, recipe);
        const graph = { sizes: new Map(), noised: true };
        addGradients((await stageOf(options, program, index, { graph })).graph);
      });
    }
  });
  return found;
}
