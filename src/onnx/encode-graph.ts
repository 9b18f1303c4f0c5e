/** Graph -> GraphProto or FunctionProto: as it was, or with what changed. */
import type { Graph, Value } from "../ir/graph.ts";
import { carry } from "./carried.ts";
import { type Encoder, encodeNode, type PortTypes } from "./encode-node.ts";
import { encodeTensor } from "./encode-tensor.ts";
import { type Entry, originOf } from "./origin.ts";
import { Rope } from "./rope.ts";
import { numbersOf } from "./schema.ts";
import { Edits, type Element, type Encoded, occurrences } from "./splice.ts";
import { contradicts, encodeType } from "./types.ts";

const proto = numbersOf("GraphProto");
const functionProto = numbersOf("FunctionProto");
const info = numbersOf("ValueInfoProto");
const annotation = numbersOf("TensorAnnotation");
const sparse = numbersOf("SparseTensorProto");
const tensor = numbersOf("TensorProto");

export function encodeGraph(graph: Graph, encoder: Encoder): Encoded {
  const origin = originOf.graph(graph);
  const edits = new Edits(origin);
  edits.text(proto.name, origin.name, graph.name);
  edits.messages(proto.node, origin.nodes.length, nodesOf(graph, origin.nodes, encoder));
  const slots = slotsOf(origin.initializers);
  const initializers = [...graph.initializers].map((value) => {
    return { slot: slots.get(value) ?? -1, content: encodeWeight(value, encoder) };
  });
  edits.messages(proto.initializer, origin.initializers.length, initializers);
  const inputs = portsOf(graph.inputs, origin.inputs, encoder.inputs);
  edits.messages(proto.input, origin.inputs.length, inputs);
  edits.messages(proto.output, origin.outputs.length, portsOf(graph.outputs, origin.outputs));
  edits.messages(proto.value_info, origin.valueInfos.length, valueInfosOf(graph));
  const annotations = surviving(graph, origin.annotations, renamedAnnotation);
  edits.messages(proto.quantization_annotation, origin.annotations.length, annotations);
  const carried = surviving(graph, origin.sparse, (entry, name) =>
    entry.name === name ? carry("SparseTensorProto", entry, encoder) : renamedSparse(entry, name),
  );
  edits.messages(proto.sparse_initializer, origin.sparse.length, carried);
  return edits.apply();
}

/** The body of a function; its name, domain and attributes stay as they are. */
export function encodeFunction(graph: Graph, encoder: Encoder): Encoded {
  const origin = originOf.function(graph);
  const edits = new Edits(origin);
  const names = (entries: readonly Entry[]) => entries.map(({ name }) => name);
  edits.names(functionProto.input, names(origin.inputs), graph.inputs);
  edits.names(functionProto.output, names(origin.outputs), graph.outputs);
  edits.messages(functionProto.node, origin.nodes.length, nodesOf(graph, origin.nodes, encoder));
  edits.messages(functionProto.value_info, origin.valueInfos.length, valueInfosOf(graph));
  return edits.apply();
}

function slotsOf<T>(list: readonly T[]): ReadonlyMap<T, number> {
  return new Map(list.map((item, slot) => [item, slot]));
}

function nodesOf(
  graph: Graph,
  original: Graph["nodes"] | readonly Graph["nodes"][0][],
  encoder: Encoder,
): Element[] {
  const slots = slotsOf(original);
  return graph.nodes.map((node) => {
    return { slot: slots.get(node) ?? -1, content: encodeNode(node, encoder) };
  });
}

function encodeWeight(value: Value, { home: homeOf, known }: Encoder): Encoded {
  const tensor = value.initializer!;
  const home = homeOf(tensor);
  const before = known?.weights.get(value);
  if (before?.home === home) return before.encoded;
  const encoded = encodeTensor(tensor, value.name, home);
  known?.weights.set(value, { home, encoded });
  return encoded;
}

/** Inputs or outputs: each keeps what the file said of it, under its present name. */
function portsOf(
  values: readonly Value[],
  entries: readonly Entry[],
  types?: PortTypes,
): Element[] {
  const slots = new Map<unknown, number>();
  entries.forEach((entry, slot) => {
    slots.set(entry, slot);
    if (entry.value && !slots.has(entry.value)) slots.set(entry.value, slot);
  });
  return values.map((value, i) => {
    const here = entries[i];
    const stays = here && (here.value ? here.value === value : here.name === value.name);
    const slot = stays ? i : (slots.get(value.origin) ?? slots.get(value) ?? -1);
    const type = types?.get(value);
    if (type) return { slot, content: newInfo({ name: value.name, type }) };
    const content = slot < 0 ? newInfo(value) : renamedInfo(entries[slot]!, value.name, value);
    return { slot, content };
  });
}

function valueInfosOf(graph: Graph): Element[] {
  const { message, valueInfos, inputs, outputs } = originOf.graph(graph);
  const kept = surviving(
    graph,
    valueInfos,
    (entry, name) => renamedInfo(entry, name, entry.value),
    (entry) => message === "GraphProto" && entry.type !== null && entry.value?.declared === false,
  );
  const told = new Set([...graph.inputs, ...graph.outputs]);
  for (const entries of [valueInfos, inputs, outputs]) {
    for (const { value } of entries) if (value) told.add(value);
  }
  graph.values.forEach((value) => {
    if (value.declared && !told.has(value)) kept.push({ slot: -1, content: newInfo(value) });
  });
  return kept;
}

/**
 * The entries whose value is still there, but for those that are `withdrawn`. Optimizers leave some of
 * values that are gone: those stay, unless an edit has made a value of that name.
 */
function surviving(
  graph: Graph,
  entries: readonly Entry[],
  encoded: (entry: Entry, name: string) => Encoded,
  withdrawn: (entry: Entry) => boolean = () => false,
): Element[] {
  const elements: Element[] = [];
  entries.forEach((entry, slot) => {
    const { value } = entry;
    const name = value?.name ?? entry.name;
    if (withdrawn(entry) || graph.values.get(name) !== (value ?? undefined)) return;
    elements.push({ slot, content: encoded(entry, name) });
  });
  return elements;
}

function newInfo(value: Pick<Value, "name" | "type">): Rope {
  const rope = new Rope().text(info.name, value.name);
  return value.type ? rope.message(info.type, encodeType(value.type)) : rope;
}

function renamedInfo(entry: Entry, name: string, value: Value | null): Encoded {
  const edits = new Edits(entry);
  edits.text(info.name, entry.name, name);
  // A file may contradict itself: the last of its entries is what was read.
  const read = (value && originOf.info(value)?.type) ?? entry.type;
  if (value?.type && contradicts(value.type, entry.type) && contradicts(value.type, read)) {
    edits.set(info.type, new Rope().message(info.type, encodeType(value.type)));
  }
  return edits.apply();
}

function renamedAnnotation(entry: Entry, name: string): Encoded {
  const edits = new Edits(entry);
  edits.text(annotation.tensor_name, entry.name, name);
  return edits.apply();
}

/** The name of a sparse initializer is that of its values. */
function renamedSparse(entry: Entry, name: string): Encoded {
  const edits = new Edits(entry);
  const values = occurrences(entry, sparse.values).map((slice, slot) => {
    const inner = new Edits(slice);
    inner.text(tensor.name, entry.name, name);
    return { slot, content: inner.apply() };
  });
  edits.messages(sparse.values, values.length, values);
  return edits.apply();
}
