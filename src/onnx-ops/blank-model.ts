import { defineValue, renameValue } from "../ir/edit.ts";
import { Graph, type Model, Value } from "../ir/graph.ts";
import type { TensorType } from "../ir/types.ts";

export interface BlankModel {
  /** Where it will be written; what messages show. */
  readonly path: string;
  readonly opset: number;
  readonly irVersion: number;
  readonly producer: { readonly name: string; readonly version: string };
  readonly inputs: Readonly<Record<string, TensorType>>;
}

/** A model with inputs and nothing else; a Patch grows the rest. */
export function blankModel({ path, opset, irVersion, producer, inputs }: BlankModel): Model {
  const graph = new Graph("main_graph");
  for (const [name, type] of Object.entries(inputs)) {
    const value = new Value(name, type);
    value.declared = true;
    defineValue(graph, value);
    graph.inputs.push(value);
  }
  return {
    irVersion,
    opsets: new Map([["", opset]]),
    producer,
    graph,
    functions: new Map(),
    metadata: new Map(),
    path,
    origin: null,
  };
}

/** Makes a value, committed already, an output of its model called `name`. */
export function declareOutput(
  { graph }: Model,
  value: Value,
  name: string,
  type: TensorType,
): void {
  renameValue(graph, value, name);
  value.type = type;
  value.declared = true;
  graph.outputs.push(value);
}
