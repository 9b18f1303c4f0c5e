/** GraphProto and FunctionProto -> Graph: first everything is defined, then names are linked. */
import { fail } from "../diag/diagnostic.ts";
import { defineInitializer, defineValue, setInput, setOutputs } from "../ir/edit.ts";
import { Graph, Value } from "../ir/graph.ts";
import { decode } from "./decode.ts";
import { type GraphOrigin, originOf } from "./origin.ts";
import { readAnnotation, readSparse, readValueInfo } from "./read-entries.ts";
import { type NodeReader, readNode } from "./read-node.ts";
import { readTensor } from "./read-tensor.ts";
import type { Slice } from "./source.ts";

/** Origins of graphs are complete when the graph is linked. */
type Growing = { -readonly [K in keyof GraphOrigin]: GraphOrigin[K] };

/** Graphs within graphs; protobuf's own readers stop at about the same depth. */
const deepestGraph = 32;

/** Reads a graph and the bodies of its nodes, all unlinked. */
export function readGraph(slice: Slice, reader: NodeReader, depth = 0): Graph {
  if (depth > deepestGraph) throw fail("graph-depth", { path: slice.source.path });
  const record = decode("GraphProto", slice);
  const origin = growing("GraphProto", slice, record.name);
  const graph = new Graph(origin.name, origin);
  origin.inputs = record.input.map(readValueInfo);
  graph.inputs = origin.inputs.map(({ name }) => define(graph, new Value(name)));
  origin.outputs = record.output.map(readValueInfo);
  origin.valueInfos = record.value_info.map(readValueInfo);
  origin.annotations = record.quantization_annotation.map(readAnnotation);
  origin.initializers = record.initializer.map((tensor) => readInitializer(graph, tensor, reader));
  origin.sparse = record.sparse_initializer.map((tensor) => {
    reader.carry("SparseTensorProto", tensor);
    const entry = readSparse(tensor);
    return { ...entry, value: define(graph, new Value(entry.name)) };
  });
  readNodes(graph, record.node, reader, depth);
  return graph;
}

export function readFunction(slice: Slice, reader: NodeReader): Graph {
  const record = decode("FunctionProto", slice);
  const origin = growing("FunctionProto", slice, record.name);
  const graph = new Graph(origin.name, origin);
  const named = (name: string) => ({ ...slice, name, type: null, value: null });
  origin.inputs = record.input.map(named);
  graph.inputs = record.input.map((name) => define(graph, new Value(name)));
  origin.outputs = record.output.map(named);
  origin.valueInfos = record.value_info.map(readValueInfo);
  readNodes(graph, record.node, reader, 0);
  return graph;
}

function growing(message: Growing["message"], slice: Slice, name = ""): Growing {
  const lists = { inputs: [], outputs: [], valueInfos: [], annotations: [], sparse: [] };
  return { ...slice, message, name, nodes: [], initializers: [], ...lists };
}

function readInitializer(graph: Graph, slice: Slice, reader: NodeReader): Value {
  const tensor = readTensor(slice, "an initializer", reader);
  const { name = "" } = tensor ?? decode("TensorProto", slice);
  if (!tensor) throw fail("tensor-type", { tensor: name });
  const known = graph.values.get(name);
  if (known?.initializer) throw duplicate(graph, name);
  const value = known ?? define(graph, new Value(name));
  value.type = { dtype: tensor.dtype, shape: tensor.shape };
  const { dtype, shape, data, metadata, origin } = tensor;
  defineInitializer(graph, value, { dtype, shape, data, metadata, origin });
  return value;
}

function readNodes(
  graph: Graph,
  slices: readonly Slice[],
  reader: NodeReader,
  depth: number,
): void {
  const bodies = { ...reader, body: (body: Slice) => readGraph(body, reader, depth + 1) };
  graph.nodes = slices.map((slice) => {
    const node = readNode(slice, bodies);
    node.graph = graph;
    for (const body of node.subgraphs) body.owner = node;
    const { outputs } = originOf.node(node);
    setOutputs(
      node,
      outputs.map((name) => (name === "" ? null : define(graph, new Value(name)))),
    );
    return node;
  });
  (graph.origin as Growing).nodes = [...graph.nodes];
}

function define(graph: Graph, value: Value): Value {
  if (graph.values.has(value.name)) throw duplicate(graph, value.name);
  defineValue(graph, value);
  return value;
}

function duplicate(graph: Graph, name: string) {
  return fail("value-duplicate", { graph: graph.name, name });
}

/** Finds a value by name, in the graph itself or in those around it. */
type Scope = (name: string) => Value | undefined;

/**
 * Connects what `readGraph` defined: inputs of nodes, outputs, types, and the same in the bodies of
 * nodes, which see the values of the graphs around them.
 * @throws GraftError for names that nothing defines.
 */
export function linkGraph(graph: Graph, outer: Scope = () => undefined): void {
  const scope: Scope = (name) => graph.values.get(name) ?? outer(name);
  const find = (name: string, reader: string): Value => {
    const value = scope(name);
    if (!value) throw fail("value-undefined", { graph: graph.name, reader, name });
    return value;
  };
  for (const node of graph.nodes) {
    const { inputs } = originOf.node(node);
    for (let index = 0; index < inputs.length; index++) {
      const name = inputs[index]!;
      if (name === "") node.inputs[index] = null;
      else setInput(node, index, find(name, node.name || node.opType));
    }
    for (const body of node.subgraphs) linkGraph(body, scope);
  }
  const origin = graph.origin as Growing;
  graph.outputs = origin.outputs.map(({ name }) => find(name, "the list of outputs"));
  linkEntries(graph, origin);
}

/** Tells the entries their values, and the values their declared types. */
function linkEntries(graph: Graph, origin: Growing): void {
  for (const list of ["valueInfos", "inputs", "outputs"] as const) {
    origin[list] = origin[list].map((entry) => {
      const value = graph.values.get(entry.name) ?? null;
      const linked = { ...entry, value };
      if (value && origin.message === "GraphProto") {
        value.type = entry.type ?? value.type;
        value.declared ||= entry.type !== null;
        value.origin = linked;
      }
      return linked;
    });
  }
  origin.annotations = origin.annotations.map((entry) => {
    return { ...entry, value: graph.values.get(entry.name) ?? null };
  });
}
