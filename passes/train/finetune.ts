/** Stage 2: the whole edited model under an objective, its trained weights fed. */
import { fail } from "../../src/diag/diagnostic.ts";
import type { Model, Value } from "../../src/ir/graph.ts";
import type { Oracle } from "../../src/ir/oracle.ts";
import { declareInput } from "../../src/onnx-ops/interface.ts";
import type { Wire } from "../../src/onnx-ops/wire.ts";
import { now } from "../session.ts";
import { adapt } from "./adapters.ts";
import { labelsName } from "./data-plan.ts";
import { growerOf } from "./grower-of.ts";
import { averageLossOf, crossEntropy } from "./losses.ts";
import { type Denoiser, dataInputs, denoises, noiseSample, type Process } from "./noised.ts";
import { diffusionLoss, flowLoss } from "./objectives.ts";
import { type Edited, parametersOf } from "./parameters.ts";
import type { ObjectiveName, Recipe } from "./recipe.ts";
import { retype } from "./retype.ts";
import {
  closeLosses,
  feedParameters,
  forTraining,
  type GraphOptions,
  type LossGraph,
} from "./training-graph.ts";

/** What the teacher gives for a batch: the input of the training graph, and the value of the original. */
export interface Target {
  readonly input: string;
  /** An output of the original model, or a block of it: what leaves that. */
  readonly of: string;
}

export interface FinetuneGraph extends LossGraph {
  readonly objective: readonly ObjectiveName[];
  /** How samples are noised inside; null: they are read as they are fed. */
  readonly process: Process | null;
  readonly denoiser: Denoiser | null;
  readonly targets: readonly Target[];
}

type Terms = NonNullable<Recipe["objective"]>;

/** `diffusion` where a noise process is found, else `output`. */
export function objectiveOf(recipe: Recipe, model: Model): Terms {
  if (recipe.objective) return recipe.objective;
  return [{ weight: 1, name: denoises(model, recipe) ? "diffusion" : "output" }];
}

/**
 * The edited model with a loss; it becomes the training graph.
 * @throws GraftError `trains-nothing`, `no-role`, `objective-needs`.
 */
export async function finetuneGraph(
  recipe: Recipe,
  edited: Edited,
  oracle: Oracle,
  { sizes, noised }: GraphOptions,
): Promise<FinetuneGraph> {
  const terms = objectiveOf(recipe, edited.model);
  const hidden = hiddenStates(edited);
  const asks = (name: ObjectiveName) => terms.some((term) => term.name === name);
  const featuresAlone = terms.every(({ name }) => name === "features");
  const judged = featuresAlone ? [...hidden.values()] : edited.model.graph.outputs;
  const parameters = parametersOf(recipe, edited, judged);
  const model = forTraining(edited.model, sizes);
  const { session } = edited;
  const chosen = parameters.map((parameter) => ({ ...parameter, group: null }));
  const adapted = await adapt(model, chosen, recipe, { oracle, seed: session.seed });
  const { adapters } = adapted;
  for (const [label, value] of hidden) hidden.set(label, adapted.now(value));
  const { outputs } = model.graph;
  const names = new Map(outputs.map((value) => [value, value.name]));
  if (asks("diffusion") && asks("flow")) {
    const why = "cannot be summed with `flow`: they noise samples differently";
    throw fail("objective-needs", { objective: "diffusion", why }, { at: recipe.span });
  }
  const process = asks("flow")
    ? "flow"
    : asks("diffusion") || (noised && denoises(model, recipe))
      ? "diffusion"
      : null;
  const denoiser = process && noiseSample(model, recipe, process);
  const targets: Target[] = [];
  const targetOf = (value: Value, name: string): Value => {
    const input = declareInput(model, `target.${name}`, { ...value.type!, dtype: "float32" });
    targets.push({ input: input.name, of: name });
    return input;
  };
  await retype(model, oracle);
  const wanted = new Map<Value, Value>();
  if (asks("output"))
    for (const value of outputs) wanted.set(value, targetOf(value, names.get(value)!));
  if (asks("features")) {
    for (const [label, value] of hidden) wanted.set(value, targetOf(value, label));
  }
  const labels = asks("labels")
    ? declareInput(model, labelsName, labelsType(outputs[0]!, recipe))
    : null;
  const data = dataInputs(model);
  const trained = feedParameters(model, adapted.trained);

  const grower = growerOf(model, "loss");
  const out = grower.wire(outputs[0]!);
  const match = (values: Iterable<Value>): Wire =>
    averageLossOf(
      { kind: "l2" },
      [...values].map((value) => [grower.wire(value), grower.wire(wanted.get(value)!)]),
    );
  const formulas: Record<ObjectiveName, () => Wire> = {
    diffusion: () => diffusionLoss({ out, ...wiresOf(denoiser!), spec: denoiser!.spec }),
    flow: () => flowLoss(out, grower.wire(denoiser!.clean), grower.wire(denoiser!.noise)),
    output: () => match(outputs),
    features: () => match(hidden.values()),
    labels: () => crossEntropy(out, grower.wire(labels!)),
  };
  const wiresOf = ({ clean, noise, time }: Denoiser) => ({
    x0: grower.wire(clean),
    noise: grower.wire(noise),
    t: grower.wire(time),
  });
  const loss = grower.sum(terms.map(({ weight, name }) => formulas[name]().mul(weight)));
  grower.patch.commit();
  const losses = closeLosses(model, [{ name: "loss", value: loss.value, group: null }]);
  const objective = terms.map(({ name }) => name);
  const noise = denoiser?.noise.name ?? null;
  const made = { model, span: recipe.span, data, noise, trained, adapters, losses };
  return { ...made, objective, process, denoiser, targets };
}

/** What leaves each block, by its label. */
function hiddenStates({ plan, session }: Edited): Map<string, Value> {
  const states = new Map<string, Value>();
  for (const { name, blocks } of plan.anatomy.stacks) {
    for (const block of blocks) states.set(`${name}[${block.index}]`, now(session, block.output));
  }
  return states;
}

/** One class a row of logits. */
function labelsType({ type }: Value, recipe: Recipe) {
  const shape = type?.shape;
  if (!shape || shape.length < 2) {
    const why = "needs logits: an output whose last axis counts the classes";
    throw fail("objective-needs", { objective: "labels", why }, { at: recipe.span });
  }
  return { dtype: "int64" as const, shape: shape.slice(0, -1) };
}
