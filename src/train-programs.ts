/** The graphs of a stage on disk, and how their inputs and outputs are the trainer's arrays. */
import { join } from "node:path";
import type { OptimizerModel } from "../passes/train/optimizers.ts";
import { gradientName, optimizerModel } from "../passes/train/optimizers.ts";
import { addGradients, soFarName } from "../passes/train/training-graph.ts";
import { type Program, type Slot, sentinel } from "../runtime/index.ts";
import type { Model } from "./ir/graph.ts";
import { dtypes, elements } from "./ir/types.ts";
import { readSafetensors, type StoredTensor, writeModel, writeSafetensors } from "./onnx/index.ts";
import { leadWith } from "./onnx-ops/interface.ts";
import { Patch } from "./onnx-ops/patch.ts";
import type { Stage } from "./stages.ts";

export interface Programs {
  readonly training: Program;
  readonly optimizer: Program;
  readonly slots: readonly Slot[];
  /** Slots of losses, the sum first, and whose they are. */
  readonly losses: readonly { readonly slot: string; readonly group: string | null }[];
  /** Slots of the norms of gradients, by group. */
  readonly norms: ReadonlyMap<string, string>;
  /** What a checkpoint keeps: weights, states, averages. */
  readonly kept: readonly string[];
  /** The array of each trained weight that is the result. */
  readonly results: ReadonlyMap<string, string>;
  readonly gradients: readonly string[];
}

/**
 * Writes the graphs into `folder`.
 * @param runs of the training graph that make a step.
 * @param kept the arrays of a checkpoint; null: training begins.
 */
export async function writePrograms(
  { recipe, graph }: Stage,
  folder: string,
  runs: number,
  kept: ReadonlyMap<string, StoredTensor> | null,
): Promise<Programs> {
  const { model, trained, losses } = graph;
  addGradients(graph, runs);
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
  const paths = {
    training: join(folder, "training_model.onnx"),
    optimizer: join(folder, "optimizer_model.onnx"),
    start: join(folder, "start.safetensors"),
  };
  await writeModel(withSentinel(model), paths.training);
  await writeModel(withSentinel(optimizer.model), paths.optimizer);
  await writeSafetensors(
    paths.start,
    trained.map(({ name, start }) => [name, start] as const),
  );
  const starts = readSafetensors(paths.start).tensors;
  const lossSlots = losses.map(({ name, group }) => ({ slot: name, group }));
  const slots: Slot[] = [
    ...lossSlots.map(({ slot }) => ({ name: slot, shape: [], from: null })),
    ...optimizer.outputs
      .filter(({ role }) => role === "norm")
      .map(({ name }) => ({ name, shape: [], from: null })),
    ...arraysOf(optimizer).map(({ name, role, of, shape }) => ({
      name,
      shape: shape as readonly number[],
      from:
        role === "gradient" ? null : (placeOf(kept, name) ?? placeOf(starts, startOf(role, of!))),
    })),
  ];
  const same = (name: string) => ({ port: name, slot: name });
  return {
    training: {
      path: paths.training,
      inputs: [
        ...trained.map(({ name }) => same(name)),
        ...(runs > 1
          ? trained.map(({ name }) => ({ port: soFarName(name), slot: gradientName(name) }))
          : []),
      ],
      outputs: [
        ...lossSlots.map(({ slot }) => ({ ...same(slot), shape: [] })),
        ...trained.map(({ name, shape }) => ({ ...same(gradientName(name)), shape })),
      ],
    },
    optimizer: {
      path: paths.optimizer,
      inputs: arraysOf(optimizer).map(({ name }) => same(name)),
      outputs: optimizer.outputs.map(({ name, role, of, shape }) => {
        return { port: name, slot: role === "norm" ? name : of, shape };
      }),
    },
    slots,
    losses: lossSlots,
    norms: new Map(
      optimizer.outputs.filter(({ role }) => role === "norm").map(({ name, of }) => [of, name]),
    ),
    kept: arraysOf(optimizer).flatMap(({ name, role }) => (role === "gradient" ? [] : [name])),
    results: new Map(
      arraysOf(optimizer).flatMap(({ name, role, of }) =>
        role === (ema ? "ema" : "parameter") ? [[of!, name] as const] : [],
      ),
    ),
    gradients: trained.map(({ name }) => gradientName(name)),
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

/** Bytes of all arrays. */
export function arrayBytes({ slots }: Programs): number {
  return slots.reduce((sum, { shape }) => sum + 4 * elements(shape), 0);
}
