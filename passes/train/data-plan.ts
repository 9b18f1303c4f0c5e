/** Where the tensors of a batch come from: the data, or the trainer's own draws. */
import { fail } from "../../src/diag/diagnostic.ts";
import type { Model, Value } from "../../src/ir/graph.ts";
import { type Dim, type DType, showShape } from "../../src/ir/types.ts";
import { inputName } from "../../src/onnx-ops/interface.ts";
import { denoises, usualNoise } from "./noised.ts";
import type { Recipe } from "./recipe.ts";
import { type Roles, rolesOf } from "./roles.ts";

/** The input of the objective `labels`, and the tensor of the data. */
export const labelsName = "labels";

export interface DataPlan {
  /** What the data must have; sizes are those of one sample. */
  readonly wanted: readonly WantedTensor[];
  /** Timesteps, drawn uniformly from 0 to `steps` - 1. */
  readonly time: { readonly name: string; readonly dtype: DType; readonly steps: number } | null;
  /** Whose noise is drawn beside it. */
  readonly sample: string | null;
  /** Labels that are replaced by the one that stands for none. */
  readonly dropped: { readonly name: string; readonly chance: number; readonly by: number } | null;
  /** Samples of a batch, where the model fixes them. */
  readonly fixedBatch: number | null;
  /** The symbolic size that counts samples. */
  readonly batchName: string | null;
}

export interface WantedTensor {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly Dim[];
  readonly role: "sample" | "condition" | "other";
  readonly limit?: number | undefined;
  /** Who wants it, where that is no input of the model. */
  readonly reason?: string | undefined;
}

/**
 * @param model as it is before it becomes a training graph.
 * @throws GraftError `no-label`
 */
export function dataPlanOf(model: Model, recipe: Recipe): DataPlan {
  const inputs = model.graph.inputs.filter((value) => !value.initializer);
  const roles = rolesOf(model.graph, recipe.inputs);
  const noised = denoises(model, recipe);
  const drawn = noised ? roles.time : null;
  const wanted = inputs.filter((value) => value !== drawn).map((value) => wantedOf(value, roles));
  if (recipe.objective?.some(({ name }) => name === "labels")) {
    const [output] = model.graph.outputs;
    const logits = output?.type?.shape ?? [];
    const classes = logits.at(-1);
    const limit = typeof classes === "number" ? classes : undefined;
    const shape = logits.slice(1, -1);
    const name = inputName(model.graph, labelsName);
    const reason = `the last axis of the output \`${output?.name}\`, ${showShape(logits)}, counts the classes`;
    wanted.push({ name, dtype: "int64", shape, role: "condition", limit, reason });
  }
  const first = inputs.flatMap(({ type }) => type?.shape?.[0] ?? []);
  const fixed = first.find((dim) => typeof dim === "number");
  const named = first.find((dim) => typeof dim === "string");
  return {
    wanted,
    time: drawn && {
      name: drawn.name,
      dtype: drawn.type!.dtype,
      steps: (recipe.noise ?? usualNoise).steps,
    },
    sample: noised ? roles.sample!.name : null,
    dropped: droppedOf(roles, recipe),
    fixedBatch: named === undefined && typeof fixed === "number" ? fixed : null,
    batchName: typeof named === "string" ? named : null,
  };
}

function wantedOf(value: Value, { sample, condition, rows }: Roles): WantedTensor {
  const { dtype, shape } = value.type!;
  const role = value === sample ? "sample" : value === condition ? "condition" : "other";
  const wide = dtype === "float16" || dtype === "bfloat16" ? "float32" : dtype;
  return {
    name: value.name,
    dtype: wide,
    shape: shape?.slice(1) ?? [],
    role,
    limit: rows.get(value),
  };
}

/**
 * The last row of the table stands for no class, as in DiT, unless the recipe says another.
 * @throws GraftError `no-label` where there is nothing to drop, or nothing to put in its place.
 */
function droppedOf({ condition, classes }: Roles, recipe: Recipe): DataPlan["dropped"] {
  const { labelDrop, nullLabel, span } = recipe;
  const refuse = (key: string, why: string) => fail("no-label", { key, why }, { at: span });
  if (nullLabel !== null && classes !== null && nullLabel >= classes) {
    throw refuse("null_label", `is ${nullLabel}, and labels of the model are 0 to ${classes - 1}`);
  }
  if (labelDrop === 0) return null;
  if (!condition) throw refuse("label_drop", "drops labels, and the model takes none");
  if (!/^u?int/.test(condition.type!.dtype)) {
    throw refuse("label_drop", `drops labels, and \`${condition.name}\` holds none`);
  }
  const by = nullLabel ?? (classes === null ? null : classes - 1);
  if (by === null)
    throw refuse("label_drop", "needs to know which label stands for none: `null_label`");
  return { name: condition.name, chance: labelDrop, by };
}
