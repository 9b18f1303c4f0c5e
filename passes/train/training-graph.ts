/** From a model to a training graph: weights are fed, a loss comes out, and its gradients. */
import { fail, placed } from "../../src/diag/diagnostic.ts";
import { plural } from "../../src/diag/figures.ts";
import type { Span } from "../../src/diag/span.ts";
import type { Initializer, Model, Value } from "../../src/ir/graph.ts";
import { putEndsLast } from "../../src/ir/order.ts";
import type { Dim, DType } from "../../src/ir/types.ts";
import {
  declareInput,
  feedWeight,
  fixType,
  giveName,
  keepOutputs,
  withdrawTypes,
} from "../../src/onnx-ops/interface.ts";
import { differentiate } from "../differentiate.ts";
import type { GroupedParameter, NamedAdapter } from "./adapters.ts";
import { blockProducts } from "./block-products.ts";
import { widen, widened } from "./float32.ts";
import { growerOf } from "./grower-of.ts";
import { gradientName } from "./ports.ts";
import { raiseOpset } from "./raise-opset.ts";
import { sinkTransposes } from "./sink-transposes.ts";

/** A trained weight of a training graph. */
export interface Trained extends GroupedParameter {
  /** What it starts as, in float32. */
  readonly start: Initializer;
}

export interface DataInput {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly Dim[];
}

export interface Loss {
  readonly name: string;
  readonly value: Value;
  /** null: of all groups. */
  readonly group: string | null;
}

/** A graph whose first output is the loss; `addGradients` adds the others. */
export interface LossGraph {
  readonly model: Model;
  /** Of the recipe. */
  readonly span: Span;
  readonly data: readonly DataInput[];
  /** The input that takes noise for the samples, where they are noised inside. */
  readonly noise: string | null;
  readonly trained: readonly Trained[];
  /** Whose factors are trained in their weights' place. */
  readonly adapters: readonly NamedAdapter[];
  /** The sum first, then that of each group. */
  readonly losses: readonly Loss[];
}

/** Sizes that are known before anything runs: of the batch, of what the data fixes. */
export type FixedSizes = ReadonlyMap<string, number>;

export interface GraphOptions {
  readonly sizes: FixedSizes;
  /** Noise the samples of a denoising model whatever the objective: real inputs are noised. */
  readonly noised: boolean;
  /** Of distill: the sites to train; all unless said. */
  readonly sites?: ReadonlySet<string> | undefined;
}

/** Gradients of products read an operand transposed as they go (FusedMatMul). */
const contributed: readonly [string, number] = ["com.microsoft", 1];

/** The model in float32, at a training opset, with these sizes. */
export function forTraining(model: Model, sizes: FixedSizes): Model {
  const raised = raiseOpset(model);
  widen(raised);
  withdrawTypes(raised.graph);
  const fixed = (dim: Dim) => (typeof dim === "string" ? (sizes.get(dim) ?? dim) : dim);
  for (const value of raised.graph.inputs) {
    const { type } = value;
    if (type?.shape) fixType(value, { ...type, shape: type.shape.map(fixed) });
  }
  return { ...raised, opsets: new Map([contributed, ...raised.opsets]) };
}

/** Turns weights into inputs under their state_dict names, behind the model's own. */
export function feedParameters(model: Model, parameters: readonly GroupedParameter[]): Trained[] {
  return parameters.map((parameter) => {
    const stored = parameter.value.initializer!;
    const start = stored.dtype === "float32" ? stored : widened(stored);
    feedWeight(model, parameter.value, parameter.name);
    return { ...parameter, start };
  });
}

/**
 * Keeps the losses, under their names, and what they need.
 * @returns them with the names that they have.
 */
export function closeLosses(model: Model, losses: readonly Loss[]): readonly Loss[] {
  keepOutputs(
    model,
    losses.map(({ value }) => value),
  );
  return losses.map((loss) => ({ ...loss, name: giveName(model.graph, loss.value, loss.name) }));
}

/** What is added to a gradient before it comes out: that of the runs of a step before. */
export const soFarName = (parameter: string) => `${gradientName(parameter)}.so_far`;

/**
 * Adds the gradient of the first loss with respect to every trained weight, as outputs.
 * @param runs of the graph that make a step: of more than one, each gives its share of the gradient
 * on top of what the others gave, which it is fed.
 * @throws GraftError `weight-without-gradient` for weights that the loss does not depend on,
 * `no-gradient`.
 */
export function addGradients(graph: LossGraph, runs = 1): void {
  try {
    growGradients(graph, runs);
  } catch (cause) {
    throw placed(cause, graph.span);
  }
}

function growGradients({ model, trained, losses }: LossGraph, runs: number): void {
  sinkTransposes(model);
  const grower = growerOf(model, "gradients");
  const total = losses[0]!.value;
  const seeds = new Map([[total, grower.scalar("float32", 1 / runs)]]);
  const wanted = trained.map(({ value }) => value);
  const gradients = differentiate(model.graph, grower, seeds, wanted);
  const idle = trained.filter(({ value }) => !gradients.get(value));
  if (idle.length > 0) {
    const names = idle.slice(0, 3).map(({ name }) => `\`${name}\``);
    const hint = "`train` says which weights move: leave them out";
    const weights = plural(idle.length, "trained weight");
    throw fail("weight-without-gradient", { weights, names: names.join(", ") }, { hint });
  }
  const taken = new Set<Value>();
  const outputs = trained.map(({ name, value, shape }) => {
    const gradient = gradients.get(value)!;
    const type = { dtype: "float32" as const, shape };
    const whole =
      runs === 1 ? gradient : gradient.add(grower.wire(declareInput(model, soFarName(name), type)));
    const own = whole.value.producer !== null && !taken.has(whole.value);
    const output = own ? whole.value : grower.one("Identity", [whole]).value;
    taken.add(output);
    return output;
  });
  grower.patch.commit();
  keepOutputs(model, [...losses.map(({ value }) => value), ...outputs]);
  for (const [i, { name }] of trained.entries()) {
    giveName(model.graph, outputs[i]!, gradientName(name));
  }
  blockProducts(model);
  // A gradient that waits for those of other layers keeps all that it is computed from.
  putEndsLast(model.graph);
}
