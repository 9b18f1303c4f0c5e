/** GraphProto and FunctionProto -> Graph: first everything is defined, then names are linked. */
import { fail } from "../diag/diagnostic.ts";
import { defineInitializer, defineValue, setInput, setOutputs } from "../ir/edit.ts";
import { type Attribute, FunctionBody, Graph, type Node, Value } from "../ir/graph.ts";
import { Cursor, wireType } from "./cursor.ts";
import { decode } from "./decode.ts";
import { type Entry, type GraphOrigin, type NamedTensor, originOf } from "./origin.ts";
import { readAnnotation, readSparse, readValueInfo } from "./read-entries.ts";
import { type NodeReader, opsetMap, readAttribute, readNode, readOpset } from "./read-node.ts";
import { readTensor } from "./read-tensor.ts";
import { numbersOf } from "./schema.ts";
import type { Slice } from "./source.ts";

/** The origin of a graph while it is being read. */
type Growing = {
  -readonly [K in keyof GraphOrigin]: GraphOrigin[K] extends readonly (infer T)[]
    ? T[]
    : GraphOrigin[K];
};

/** Graphs within graphs; protobuf's own readers stop at about the same depth. */
const deepestGraph = 32;

const proto = numbersOf("GraphProto");

/** Reads a graph and the bodies of its nodes, all unlinked. */
export function readGraph(slice: Slice, reader: NodeReader, depth = 0): Graph {
  if (depth > deepestGraph) throw fail("graph-depth", { path: slice.source.path });
  const origin = growing("GraphProto", slice);
  const bodies = { ...reader, body: (body: Slice) => readGraph(body, reader, depth + 1) };
  const tensors: NamedTensor[] = [];
  const field = new Cursor(slice);
  while (field.next()) {
    if (field.wire !== wireType.bytes) continue;
    const { number } = field;
    if (number === proto.node) origin.nodes.push(readNode(field, bodies));
    else if (number === proto.initializer) tensors.push(readInitializer(field, reader));
    else if (number === proto.value_info)
      origin.valueInfos.push(readValueInfo(field, reader.types));
    else if (number === proto.input) origin.inputs.push(readValueInfo(field, reader.types));
    else if (number === proto.output) origin.outputs.push(readValueInfo(field, reader.types));
    else if (number === proto.name) origin.name = field.text();
    else if (number === proto.quantization_annotation)
      origin.annotations.push(readAnnotation(field));
    else if (number === proto.sparse_initializer) {
      reader.carry("SparseTensorProto", field.slice());
      origin.sparse.push(readSparse(field));
    }
  }
  const graph = new Graph(origin.name, origin);
  graph.inputs = origin.inputs.map(({ name }) => define(graph, new Value(name)));
  origin.initializers = tensors.map((tensor) => defineTensor(graph, tensor));
  for (const entry of origin.sparse) entry.value = define(graph, new Value(entry.name));
  defineNodes(graph, origin.nodes);
  return graph;
}

export function readFunction(slice: Slice, reader: NodeReader): FunctionBody {
  const record = decode("FunctionProto", slice);
  const origin = growing("FunctionProto", slice);
  const bodies = { ...reader, body: (body: Slice) => readGraph(body, reader, 1) };
  const named = (name: string): Entry => ({ ...slice, name, type: null, value: null });
  origin.name = record.name ?? "";
  origin.inputs = record.input.map(named);
  origin.outputs = record.output.map(named);
  origin.valueInfos = record.value_info.map((info) => readValueInfo(info, reader.types));
  origin.nodes = record.node.map((node) => readNode(node, bodies));
  const opsets = opsetMap(record.opset_import.map(readOpset));
  const defaults = record.attribute_proto.map((item) => readAttribute(item, origin.name, bodies));
  const attributes = new Map<string, Attribute | null>([
    ...record.attribute.map((name) => [name, null] as const),
    ...defaults.map((attribute) => [attribute.name, attribute] as const),
  ]);
  const graph = new FunctionBody(origin.name, origin, opsets, attributes);
  graph.inputs = record.input.map((name) => define(graph, new Value(name)));
  defineNodes(graph, origin.nodes);
  return graph;
}

function growing(message: Growing["message"], { source, start, from, to }: Slice): Growing {
  const values = { inputs: [], outputs: [], valueInfos: [], annotations: [], sparse: [] };
  const lists = { nodes: [], initializers: [], ...values };
  return { source, start, from, to, message, name: "", ...lists };
}

function readInitializer(slice: Slice, reader: NodeReader): NamedTensor {
  const tensor = readTensor(slice, "an initializer", reader);
  if (tensor) return tensor;
  const { name = "" } = decode("TensorProto", slice);
  throw fail("tensor-type", { tensor: name });
}

function defineTensor(graph: Graph, tensor: NamedTensor): Value {
  const { name, dtype, shape, data, metadata, origin } = tensor;
  const known = graph.values.get(name);
  if (known?.initializer) throw duplicate(graph, name);
  const value = known ?? define(graph, new Value(name));
  value.type = { dtype, shape };
  defineInitializer(graph, value, { dtype, shape, data, metadata, origin });
  return value;
}

function defineNodes(graph: Graph, nodes: readonly Node[]): void {
  graph.nodes = [...nodes];
  for (const node of nodes) {
    node.graph = graph;
    for (const body of node.subgraphs) body.owner = node;
    const outputs = originOf
      .node(node)
      .outputs.map((name) => (name === "" ? null : define(graph, new Value(name))));
    setOutputs(node, outputs);
  }
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
    node.inputs = inputs.map(() => null);
    for (let index = 0; index < inputs.length; index++) {
      const name = inputs[index]!;
      if (name !== "") setInput(node, index, find(name, node.name || node.opType));
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
    for (const entry of origin[list]) {
      const value = graph.values.get(entry.name) ?? null;
      entry.value = value;
      if (!value || origin.message === "FunctionProto") continue;
      value.type = entry.type ?? value.type;
      value.declared ||= entry.type !== null;
      value.origin = entry;
    }
  }
  for (const entry of origin.annotations) entry.value = graph.values.get(entry.name) ?? null;
}
