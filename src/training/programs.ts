/** The graphs of a stage on disk, and how their inputs and outputs are the trainer's arrays. */
import { join } from "node:path";
import type { OptimizerModel } from "../../passes/train/optimizers.ts";
import { gradientName, optimizerModel } from "../../passes/train/optimizers.ts";
import { stepsModel } from "../../passes/train/steps.ts";
import { type LossGraph, soFarName } from "../../passes/train/training-graph.ts";
import { type Program, type Slot, sentinel } from "../../runtime/index.ts";
import type { Model } from "../ir/graph.ts";
import { dtypes } from "../ir/types.ts";
import { readSafetensors, type StoredTensor, writeModel, writeSafetensors } from "../onnx/index.ts";
import { leadWith } from "../onnx-ops/interface.ts";
import { Patch } from "../onnx-ops/patch.ts";
import type { Stage } from "./stages.ts";

/** A run of a training graph; a step has one for each group of sites. */
export interface Pass {
  readonly program: string;
  readonly path: string;
  /** Slots of its losses, and whose they are. */
  readonly losses: readonly { readonly slot: string; readonly group: string | null }[];
  readonly gradients: readonly string[];
}

export interface Programs {
  readonly passes: readonly Pass[];
  /** By the names that the trainer knows them by. */
  readonly programs: Readonly<Record<string, Program>>;
  readonly slots: readonly Slot[];
  /** Slots of the norms of gradients, by group. */
  readonly norms: ReadonlyMap<string, string>;
  /** What a checkpoint keeps: weights, states, averages. */
  readonly kept: readonly string[];
  /** The array of each trained weight that is the result. */
  readonly results: ReadonlyMap<string, string>;
}

export const optimizerProgram = "optimizer";
/** Both at once, for several steps. */
export const stepsProgram = "steps";

export interface ProgramOptions {
  /** Of the training graphs, that make a step. */
  readonly runs: number;
  /** The arrays of a checkpoint; null: training begins. */
  readonly kept: ReadonlyMap<string, StoredTensor> | null;
  /** Steps of one call; above 1 there is one program for all of a step. */
  readonly most: number;
}

/**
 * Writes the graphs into `folder`.
 * @param graphs with their gradients: the stage's own, or one for each group of its sites.
 */
export async function writePrograms(
  { recipe, graph: { trained } }: Stage,
  graphs: readonly LossGraph[],
  folder: string,
  { runs, kept, most }: ProgramOptions,
): Promise<Programs> {
  const ema = recipe.ema !== null;
  const optimizer = optimizerModel({
    parameters: trained.map(({ name, shape, group }) => ({ name, shape, group: group ?? "" })),
    optimizer: recipe.optimizer,
    clip: recipe.clip,
    ema,
    norms: true,
    form: "rows",
    shapes: "any",
  });
  const passes: Pass[] = [];
  const programs: Record<string, Program> = {};
  const looped = isLooped(graphs, { runs, most });
  for (const [i, graph] of graphs.entries()) {
    const pass = passOf(graph, i, folder);
    const model = looped ? stepsModel(graph, { ...recipe, ema, form: "plain" }) : graph.model;
    await writeModel(withSentinel(model), pass.path);
    passes.push(pass);
    if (looped) programs[stepsProgram] = programOfSteps(pass, optimizer);
    else programs[pass.program] = trainingProgram(pass, graph, runs);
  }
  if (!looped) {
    const path = join(folder, "optimizer_model.onnx");
    await writeModel(withSentinel(optimizer.model), path);
    programs[optimizerProgram] = optimizerProgramOf(path, optimizer);
  }
  const start = join(folder, "start.safetensors");
  await writeSafetensors(
    start,
    trained.map(({ name, start }) => [name, start] as const),
  );
  const starts = readSafetensors(start).tensors;
  const norms = optimizer.outputs.filter(({ role }) => role === "norm");
  const numbers = [
    ...passes.flatMap(({ losses }) => losses),
    ...norms.map(({ name: slot }) => ({ slot })),
  ];
  const arrays = arraysOf(optimizer).map(({ name, role, of, shape }): Slot => {
    const from =
      role === "gradient" ? null : (placeOf(kept, name) ?? placeOf(starts, startOf(role, of!)));
    return { name, shape: shape as readonly number[], from };
  });
  const gradients = new Set(passes.flatMap((pass) => pass.gradients));
  return {
    passes,
    programs,
    slots: [
      ...numbers.map(({ slot }) => ({ name: slot, shape: looped ? [most] : [], from: null })),
      ...(looped ? arrays.filter(({ name }) => !gradients.has(name)) : arrays),
    ],
    norms: new Map(norms.map(({ name, of }) => [of, name])),
    kept: arraysOf(optimizer).flatMap(({ name, role }) => (role === "gradient" ? [] : [name])),
    results: new Map(
      arraysOf(optimizer).flatMap(({ name, role, of }) =>
        role === (ema ? "ema" : "parameter") ? [[of!, name] as const] : [],
      ),
    ),
  };
}

/** Where a step is one run of one graph, several fit into a call. */
export function isLooped(
  graphs: readonly LossGraph[],
  { runs, most }: Pick<ProgramOptions, "runs" | "most">,
): boolean {
  return most > 1 && runs === 1 && graphs.length === 1;
}

const same = (name: string) => ({ port: name, slot: name });

function optimizerProgramOf(path: string, optimizer: OptimizerModel): Program {
  return {
    path,
    inputs: arraysOf(optimizer).map(({ name }) => same(name)),
    outputs: optimizer.outputs.map(({ name, role, of, shape }) => {
      return { port: name, slot: role === "norm" ? name : of, shape };
    }),
  };
}

function programOfSteps({ path, losses }: Pass, optimizer: OptimizerModel): Program {
  const arrays = arraysOf(optimizer).filter(({ role }) => role !== "gradient");
  const norms = optimizer.outputs.filter(({ role }) => role === "norm");
  const each = [...losses.map(({ slot }) => slot), ...norms.map(({ name }) => name)];
  return {
    path,
    inputs: arrays.map(({ name }) => same(name)),
    outputs: [
      ...arrays.map(({ name, shape }) => {
        return { port: `${name}.next`, slot: name, shape: shape as readonly number[] };
      }),
      ...each.map((name) => ({ ...same(name), shape: [], trips: true })),
    ],
  };
}

function passOf({ losses, trained }: LossGraph, index: number, folder: string): Pass {
  return {
    program: `training.${index}`,
    path: join(folder, `training_model.${index}.onnx`),
    losses: losses.map(({ name, group }) => ({ slot: name, group })),
    gradients: trained.map(({ name }) => gradientName(name)),
  };
}

function trainingProgram({ path, losses }: Pass, { trained }: LossGraph, runs: number): Program {
  const soFar = trained.map(({ name }) => ({ port: soFarName(name), slot: gradientName(name) }));
  return {
    path,
    inputs: [...trained.map(({ name }) => same(name)), ...(runs > 1 ? soFar : [])],
    outputs: [
      ...losses.map(({ slot }) => ({ ...same(slot), shape: [] })),
      ...trained.map(({ name, shape }) => ({ ...same(gradientName(name)), shape })),
    ],
  };
}

/** Inputs of the optimizer but for its numbers. */
function arraysOf({ inputs }: OptimizerModel): OptimizerModel["inputs"] {
  return inputs.filter(({ of }) => of !== undefined);
}

/** States start at zero, weights and averages of them as the weights. */
function startOf(role: string, parameter: string): string | null {
  return role === "state" ? null : parameter;
}

function placeOf(
  tensors: ReadonlyMap<string, StoredTensor> | null,
  name: string | null,
): Slot["from"] {
  const data = name === null ? undefined : tensors?.get(name)?.data;
  return data?.kind === "file" ? { path: data.file.path, offset: data.offset } : null;
}

function withSentinel(model: Model): Model {
  const patch = new Patch(model.graph, null, "");
  const sequence = patch.one("SequenceEmpty", [], {
    attributes: { dtype: dtypes.float32.code },
  });
  patch.commit();
  leadWith(model, sequence, sentinel);
  return model;
}
