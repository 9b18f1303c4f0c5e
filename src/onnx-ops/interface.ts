/** A graph that becomes another program: what is fed, what comes out, and nothing else. */
import {
  defineValue,
  removeInitializer,
  removeNodes,
  renameValue,
  setInitializer,
} from "../ir/edit.ts";
import { type Graph, type Initializer, isUnread, type Model, Value } from "../ir/graph.ts";
import type { TensorType } from "../ir/types.ts";
import { producersOf } from "./sweep.ts";

/** A new input, under this name or, where that is taken for good, under `inputName`. */
export function declareInput({ graph }: Model, wanted: string, type: TensorType): Value {
  const name = inputName(graph, wanted);
  const value = new Value(name, type);
  makeWay(graph, name);
  value.declared = true;
  defineValue(graph, value);
  graph.inputs.push(value);
  return value;
}

/**
 * What a new input is called: inputs and weights keep their names, and others make way for it.
 * Underscores tell it from those that have the wanted name.
 */
export function inputName(graph: Graph, wanted: string): string {
  const rival = graph.values.get(wanted);
  return rival && isNamedForGood(graph, rival) ? inputName(graph, `${wanted}_`) : wanted;
}

function isNamedForGood({ inputs }: Graph, value: Value): boolean {
  return value.initializer !== null || inputs.includes(value);
}

/** A weight that is fed from now on, under this name; whoever has the name makes way. */
export function feedWeight({ graph }: Model, value: Value, name: string): void {
  if (giveName(graph, value, name) !== name) throw new Error(`an input is called ${name}`);
  const { dtype, shape } = value.initializer!;
  graph.initializers.delete(value);
  value.initializer = null;
  value.type = { dtype, shape };
  value.declared = true;
  if (!graph.inputs.includes(value)) graph.inputs.push(value);
}

/**
 * Gives a value a name that another one may have; that one is then called otherwise. Of an input it
 * is not taken.
 * @returns the name, or the next one that is free.
 */
export function giveName(graph: Graph, value: Value, wanted: string): string {
  const rival = graph.values.get(wanted);
  if (rival === value) return wanted;
  if (rival && graph.inputs.includes(rival)) return giveName(graph, value, `${wanted}_`);
  makeWay(graph, wanted);
  renameValue(graph, value, wanted);
  return wanted;
}

function makeWay(graph: Graph, name: string): void {
  const rival = graph.values.get(name);
  if (rival) renameValue(graph, rival, freeName(graph, `${name}.frozen`));
}

/** This name, or the next one that no value has. */
export function freeName(graph: Graph, base: string): string {
  for (let i = 0, name = base; ; i++, name = `${base}_${i}`)
    if (!graph.values.has(name)) return name;
}

/** Other contents, or another type, for a weight. */
export function storeWeight(value: Value, initializer: Initializer): void {
  setInitializer(value, initializer);
}

/** Sizes of an input that are known from now on. */
export function fixType(value: Value, type: TensorType): void {
  value.type = type;
}

/** Takes back every declared type of what the graph computes: it was of another program. */
export function withdrawTypes(graph: Graph): void {
  for (const value of graph.values.values()) {
    if (value.producer) value.declared = false;
  }
}

/** Makes these the outputs, and removes the nodes, weights and inputs that none of them needs. */
export function keepOutputs({ graph }: Model, outputs: readonly Value[]): void {
  graph.outputs = [...outputs];
  for (const value of outputs) value.declared = true;
  const needed = producersOf(outputs);
  removeNodes(graph, new Set(graph.nodes.filter((node) => !needed.has(node))));
  for (const value of [...graph.initializers]) {
    if (isUnread(value, graph)) removeInitializer(graph, value);
  }
}

/**
 * Puts an output before all others, of a sequence and so of no type that is written: a sign for
 * hosts that treat outputs behind it in another way.
 */
export function leadWith({ graph }: Model, value: Value, name: string): void {
  giveName(graph, value, name);
  value.declared = true;
  graph.outputs = [value, ...graph.outputs];
}
