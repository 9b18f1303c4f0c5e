/** `graftc artifacts`: the training graphs alone, for any host with a stock ONNX Runtime. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe } from "../passes/train/describe.ts";
import { optimizerModel } from "../passes/train/optimizers.ts";
import { addGradients } from "../passes/train/training-graph.ts";
import type { Diagnostic } from "./diag/diagnostic.ts";
import { type EditingOptions, editModel } from "./editing.ts";
import { type EditsOptions, loadEdits } from "./edits.ts";
import { fillFolder, writeModel, writeSafetensors } from "./onnx/index.ts";
import { checkOptions } from "./options.ts";
import { recipesOf, type Stage, stageOf } from "./training/stages.ts";

export interface ArtifactsOptions extends EditingOptions, EditsOptions {
  /** The folder; made where it is not there. */
  readonly out: string;
}

export interface ArtifactsResult {
  readonly model: string;
  readonly out: string;
  readonly stages: readonly {
    readonly kind: "distill" | "finetune";
    readonly folder: string;
    readonly trained: number;
    readonly parameters: number;
  }[];
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Writes `training_model.onnx`, `eval_model.onnx`, `optimizer_model.onnx`, `checkpoint.safetensors`
 * and `training.json` of each recipe block: into `out`, or its `stage1/` and `stage2/` where there
 * are two.
 * @throws GraftError for programs without a recipe, and for whatever keeps the model from training.
 */
export async function artifacts(options: ArtifactsOptions): Promise<ArtifactsResult> {
  checkOptions("artifacts", options);
  const { program, diagnostics } = loadEdits(options.edits, options.set);
  const first = await editModel(options, program);
  const recipes = recipesOf(first);
  const stages = await fillFolder(options.out, async (aside) => {
    const written = [];
    for (const index of recipes.keys()) {
      const stage = await stageOf(options, program, index, {
        graph: { sizes: new Map(), noised: false },
      });
      const folder = recipes.length > 1 ? `stage${index + 1}` : "";
      mkdirSync(join(aside, folder), { recursive: true });
      const parameters = await writeStage(stage, join(aside, folder));
      const trained = stage.graph.trained.length;
      written.push({
        kind: stage.recipe.stage,
        folder: join(options.out, folder),
        trained,
        parameters,
      });
    }
    return written;
  });
  return {
    model: options.model,
    out: options.out,
    stages,
    diagnostics: [...diagnostics, ...first.diagnostics],
  };
}

/** @returns how many numbers are trained. */
export async function writeStage({ recipe, graph }: Stage, folder: string): Promise<number> {
  const { model, trained } = graph;
  await writeModel(model, join(folder, "eval_model.onnx"));
  addGradients(graph);
  await writeModel(model, join(folder, "training_model.onnx"));
  const optimizer = optimizerModel({
    parameters: trained.map(({ name, shape, group }) => ({ name, shape, group: group ?? "" })),
    optimizer: recipe.optimizer,
    clip: recipe.clip,
    ema: false,
    norms: false,
    form: "rows",
    shapes: "own",
  });
  await writeModel(optimizer.model, join(folder, "optimizer_model.onnx"));
  const tensors = trained.map(({ name, start }) => [name, start] as const);
  await writeSafetensors(join(folder, "checkpoint.safetensors"), new Map(tensors));
  const json = describe(recipe, graph, optimizer);
  writeFileSync(join(folder, "training.json"), `${JSON.stringify(json, null, 2)}\n`);
  return trained.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
}
