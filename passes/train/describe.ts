/** training.json: what the artifacts take and give, for whoever runs them. */
import type { Dim, DType } from "../../src/ir/types.ts";
import type { OptimizerModel } from "./optimizers.ts";
import { gradientName } from "./ports.ts";
import type { Recipe } from "./recipe.ts";
import type { LossGraph } from "./training-graph.ts";

/** cli.md's contract; keys may be added. */
export interface TrainingJson {
  readonly stage: "distill" | "finetune";
  readonly inputs: readonly {
    readonly name: string;
    readonly role: "data" | "parameter";
    readonly type: DType;
    readonly shape: readonly Dim[];
    readonly group?: string;
    readonly layout?: "in,out" | "out,in";
  }[];
  readonly outputs: readonly {
    readonly name: string;
    readonly role: "loss" | "gradient";
    /** Of a gradient its parameter, of a site's loss the group; the sum has none. */
    readonly of?: string;
  }[];
  readonly optimizer: {
    readonly inputs: readonly {
      readonly name: string;
      readonly role: string;
      readonly of?: string;
      readonly type: DType;
      readonly shape: readonly Dim[];
    }[];
    readonly outputs: readonly {
      readonly name: string;
      readonly role: string;
      readonly of: string;
    }[];
  };
  /** weight + scale * b a, in the layout of the weight, is what the model is to hold. */
  readonly adapters?: readonly {
    readonly weight: string;
    readonly a: string;
    readonly b: string;
    readonly scale: number;
    readonly layout: "in,out" | "out,in";
  }[];
  readonly recipe: object;
}

export function describe(
  recipe: Recipe,
  graph: LossGraph,
  optimizer: OptimizerModel,
): TrainingJson {
  const { data, trained, adapters, losses } = graph;
  return {
    stage: recipe.stage,
    inputs: [
      ...data.map(
        ({ name, dtype, shape }) => ({ name, role: "data", type: dtype, shape }) as const,
      ),
      ...trained.map(({ name, shape, group, layout }) => ({
        name,
        role: "parameter" as const,
        type: "float32" as const,
        shape,
        ...(group !== null && { group }),
        ...(layout !== null && { layout }),
      })),
    ],
    outputs: [
      ...losses.map(({ name, group }) => ({
        name,
        role: "loss" as const,
        ...(group !== null && { of: group }),
      })),
      ...trained.map(({ name }) => ({
        name: gradientName(name),
        role: "gradient" as const,
        of: name,
      })),
    ],
    optimizer: {
      inputs: optimizer.inputs.map(({ dtype, shape, name, role, of }) => {
        return { name, role, ...(of !== undefined && { of }), type: dtype, shape: shape ?? [] };
      }),
      outputs: optimizer.outputs.map(({ name, role, of }) => ({ name, role, of })),
    },
    ...(adapters.length > 0 && {
      adapters: adapters.map(({ name, a, b, scale, layout }) => {
        return { weight: name, a: a.name, b: b.name, scale, layout };
      }),
    }),
    recipe: recipeJson(recipe),
  };
}

/** The recipe as data: the same for the same recipe, whatever file it stands in. */
export function recipeJson({ span: _, train, inputs, ...settings }: Recipe): object {
  const { base, sites, names } = train;
  return {
    ...settings,
    train: [...(base ? [base] : []), ...sites.map(({ label }) => label), ...names],
    inputs: Object.fromEntries(inputs),
  };
}
