/** The graphs of a stage on disk, and how their inputs and outputs are the trainer's arrays. */
import { join } from "node:path";
import { keepInCache } from "../../passes/train/in-cache.ts";
import { type OptimizerModel, optimizerModel } from "../../passes/train/optimizers.ts";
import { gradientName, type NumberNames, nextName, type Ports } from "../../passes/train/ports.ts";
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
  /** What the numbers of a step are fed as. */
  readonly numbers: NumberNames;
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
  const passes = graphs.map((graph, i) => passOf(graph, i, folder));
  const looped = isLooped(graphs, { runs, most });
  const programs: Record<string, Program> = {};
  let ports: Ports;
  if (looped) {
    const [pass] = passes as [Pass];
    const steps = stepsModel(graphs[0]!, { ...recipe, ema, form: "plain" });
    await writeModel(withSentinel(steps.model), pass.path);
    programs[stepsProgram] = programOfSteps(pass, steps);
    ports = steps;
  } else {
    for (const [i, pass] of passes.entries()) {
      const { model } = graphs[i]!;
      keepInCache(model);
      await writeModel(withSentinel(model), pass.path);
      programs[pass.program] = trainingProgram(pass, graphs[i]!, runs);
    }
    const optimizer = optimizerModel({
      parameters: trained.map(({ name, shape, group }) => ({ name, shape, group: group ?? "" })),
      optimizer: recipe.optimizer,
      clip: recipe.clip,
      ema,
      norms: true,
      form: "rows",
      shapes: "any",
    });
    const path = join(folder, "optimizer_model.onnx");
    await writeModel(withSentinel(optimizer.model), path);
    programs[optimizerProgram] = optimizerProgramOf(path, optimizer);
    ports = optimizer;
  }
  const start = join(folder, "start.safetensors");
  await writeSafetensors(
    start,
    trained.map(({ name, start }) => [name, start] as const),
  );
  const starts = readSafetensors(start).tensors;
  const told = [
    ...passes.flatMap(({ losses }) => losses.map(({ slot }) => slot)),
    ...ports.norms.map(({ name }) => name),
  ];
  const lasting = lastingOf(ports);
  return {
    passes,
    programs,
    slots: [
      ...told.map((name) => ({ name, shape: looped ? [most] : [], from: null })),
      ...lasting.map(({ name, role, of, shape }) => {
        return { name, shape, from: placeOf(kept, name) ?? placeOf(starts, startOf(role, of)) };
      }),
      ...(looped ? [] : trained).map(({ name, shape }) => {
        return { name: gradientName(name), shape, from: null };
      }),
    ],
    norms: new Map(ports.norms.map(({ name, of }) => [of, name])),
    numbers: ports.numbers,
    kept: lasting.map(({ name }) => name),
    results: new Map(
      lasting
        .filter(({ role }) => role === (ema ? "ema" : "parameter"))
        .map(({ name, of }) => [of, name]),
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
    inputs: optimizer.inputs.filter(({ of }) => of !== undefined).map(({ name }) => same(name)),
    outputs: optimizer.outputs.map(({ name, role, of, shape }) => {
      return { port: name, slot: role === "norm" ? name : of, shape };
    }),
  };
}

function programOfSteps({ path, losses }: Pass, ports: Ports): Program {
  const lasting = lastingOf(ports);
  const told = [...losses.map(({ slot }) => slot), ...ports.norms.map(({ name }) => name)];
  return {
    path,
    inputs: lasting.map(({ name }) => same(name)),
    outputs: [
      ...lasting.map(({ name, shape }) => ({ port: nextName(name), slot: name, shape })),
      ...told.map((name) => ({ ...same(name), shape: [], trips: true })),
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

/** An array that a step changes. */
interface Lasting {
  readonly name: string;
  readonly role: "parameter" | "state" | "ema";
  /** The parameter. */
  readonly of: string;
  readonly shape: readonly number[];
}

function lastingOf({ inputs }: Ports): readonly Lasting[] {
  return inputs.filter(({ role, of }) => of !== undefined && role !== "gradient") as Lasting[];
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
