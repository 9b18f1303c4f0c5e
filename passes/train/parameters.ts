/** `train: new + blocks[3].mlp`: which weights move, and what they are called. */
import { isDotted, scopeOf } from "../../src/anatomy/scopes.ts";
import { fail } from "../../src/diag/diagnostic.ts";
import { nearest } from "../../src/diag/suggest.ts";
import type { Model, Node, Value } from "../../src/ir/graph.ts";
import { type DType, dtypes, elements } from "../../src/ir/types.ts";
import { producersOf } from "../../src/onnx-ops/sweep.ts";
import type { Plan, PlannedEdit, Site } from "../../src/plan/plan.ts";
import { slotsOf } from "../graph/state-dict.ts";
import { type AddedWeight, nodesOf, type Session, siteNodes } from "../session.ts";
import { layerWeights } from "./layer-weights.ts";
import type { Recipe } from "./recipe.ts";

export interface Parameter {
  /** Its state_dict name. */
  readonly name: string;
  readonly value: Value;
  /** As it is stored, before training widens it. */
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Of the matrix of a linear layer: how it is stored. */
  readonly layout: "in,out" | "out,in" | null;
}

/** The edited model and what edited it. */
export interface Edited {
  readonly model: Model;
  readonly plan: Plan;
  readonly session: Session;
}

/**
 * The trained weights of a recipe, in the order of the model's initializers.
 * @param judged what the loss is taken of: `all` leaves out what none of it depends on.
 * @throws GraftError `trains-nothing`, and `has-no-weights` of a part of the selection.
 */
export function parametersOf(
  { train, span }: Recipe,
  edited: Edited,
  judged: readonly Value[] = edited.model.graph.outputs,
): Parameter[] {
  const { model, session } = edited;
  const chosen = new Set<Value>();
  const take = (values: Iterable<Value>) => {
    for (const value of values) chosen.add(value);
  };
  if (train.base === "new") take(newWeights(edited));
  if (train.base === "all") {
    const read = producersOf(judged);
    const counts = (weight: Value) => [...weight.uses].some(({ node }) => read.has(node));
    take([...allWeights(edited)].filter(counts));
  }
  for (const { label, weights } of selectedBy(train, edited)) {
    if (weights.size === 0) {
      const names = [...session.weights.keys()];
      const near = nearest(label.replaceAll('"', ""), names);
      const hint = near ? `did you mean \`"${near}"\`?` : null;
      throw fail("has-no-weights", { selection: label }, { at: span, hint });
    }
    take(weights);
  }
  const parameters = named(model, [...session.weights.values()], chosen);
  if (parameters.length === 0) {
    const hint = train.base === "new" ? "without edits nothing is new: `train: all`" : null;
    throw fail("trains-nothing", {}, { at: span, hint });
  }
  return parameters;
}

/** The weights of each place and name that a recipe selects. */
export function selectedBy(
  { sites, names }: Recipe["train"],
  edited: Edited,
): { readonly label: string; readonly weights: ReadonlySet<Value> }[] {
  return [
    ...sites.map((site) => ({ label: site.label, weights: weightsAt([site], edited) })),
    ...names.map((name) => ({ label: `"${name}"`, weights: weightsCalled(name, edited) })),
  ];
}

/** A weight of this name, or those of a module: exporters drop the names of some. */
function weightsCalled(name: string, { model, session }: Edited): Set<Value> {
  const { initializers, nodes } = model.graph;
  const within = (path: string) => path === name || path.startsWith(`${name}.`);
  const module = nodes.filter((node) => within(scopeOf(node).join(".")));
  const weights = layerWeights(module, () => true);
  for (const value of initializers) {
    if (within(value.name) && dtypes[value.initializer!.dtype].float) weights.add(value);
  }
  const slot = slotsOf(model, [...session.weights.values()]).get(name);
  return slot ? weights.add(slot.value) : weights;
}

/** Weights of layers at sites, and whatever weights edits gave them. */
function weightsAt(sites: readonly Site[], { model, session }: Edited): Set<Value> {
  const values = layerWeights(siteNodes(session, { sites }), () => true);
  const labels = sites.map(({ label }) => label);
  for (const { name, site } of session.weights.values()) {
    const value = model.graph.values.get(name);
    const here = labels.some((label) => site === label || site.startsWith(`${label}.`));
    if (here && value?.initializer) values.add(value);
  }
  return values;
}

/** Weights of parts that were replaced or resized, of both blocks of pairs, merges, and copies. */
function newWeights({ model, plan, session }: Edited): Set<Value> {
  const values = new Set<Value>();
  for (const { name } of session.weights.values()) {
    const value = model.graph.values.get(name);
    if (value?.initializer && elements(value.initializer.shape) > 0) values.add(value);
  }
  for (const edit of plan.edits) {
    for (const value of layerWeights(changedNodes(edit, session), () => true)) values.add(value);
  }
  return values;
}

function changedNodes(edit: PlannedEdit, session: Session): Set<Node> {
  if (edit.verb === "replace" || edit.verb === "resize") return siteNodes(session, edit);
  if (edit.verb !== "parallelize") return new Set();
  const blocks = edit.pairs.flat().map(({ block }) => nodesOf(session, block));
  return new Set(blocks.flatMap((nodes) => [...nodes]));
}

/** Every layer's weights, named tables inside blocks, and what edits made. */
function allWeights(edited: Edited): Set<Value> {
  const { model, plan, session } = edited;
  const inBlocks = new Set<Node>();
  for (const { blocks } of plan.anatomy.stacks) {
    for (const block of blocks) for (const node of nodesOf(session, block)) inBlocks.add(node);
  }
  const values = layerWeights(model.graph.nodes, (node) => inBlocks.has(node));
  for (const value of newWeights(edited)) values.add(value);
  return values;
}

function named(
  model: Model,
  added: readonly AddedWeight[],
  chosen: ReadonlySet<Value>,
): Parameter[] {
  const slots = slotsOf(model, added);
  const names = new Map<Value, string>();
  for (const [name, { value }] of slots) {
    const known = names.get(value);
    if (known === undefined || (!isDotted(known) && isDotted(name))) names.set(value, name);
  }
  return [...model.graph.initializers]
    .filter((value) => chosen.has(value))
    .map((value) => {
      const name = names.get(value) ?? value.name;
      const { dtype, shape } = value.initializer!;
      return { name, value, dtype, shape, layout: slots.get(name)?.layout ?? null };
    });
}
