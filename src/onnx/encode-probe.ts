/** Models in memory for asking a runtime: the nodes of a graph, and as few weights as possible. */
import { fail } from "../diag/diagnostic.ts";
import type { Graph, Model, Node, Value } from "../ir/graph.ts";
import type { TensorType } from "../ir/types.ts";
import { Cursor } from "./cursor.ts";
import { encodeFunction, encodeGraph } from "./encode-graph.ts";
import { largestMessage, newOpset } from "./encode-model.ts";
import { type Encoder, encodeNode } from "./encode-node.ts";
import { encodeTensor } from "./encode-tensor.ts";
import { Rope } from "./rope.ts";
import { numbersOf } from "./schema.ts";
import type { Encoded } from "./splice.ts";
import { encodeType } from "./types.ts";

export interface ProbeOptions {
  /** The main graph unless said. A body may read values of the graphs around it. */
  readonly graph?: Graph;
  readonly inputs: readonly { readonly name: string; readonly type: TensorType }[];
  /** Names of values, any that the nodes make; they are declared without a type. */
  readonly outputs: readonly string[];
  /** Which initializers keep their data; the others become inputs, of their own type. */
  readonly keep: (value: Value) => boolean;
  /** All nodes unless said. */
  readonly nodes?: (node: Node) => boolean;
}

const proto = {
  model: numbersOf("ModelProto"),
  graph: numbersOf("GraphProto"),
  info: numbersOf("ValueInfoProto"),
};

/**
 * A model of chosen nodes, with the functions, opsets and IR version of `model`. Initializers that
 * no chosen node reads are left out; external data of those that are kept is read.
 * @throws GraftError when that cannot be read.
 */
export function encodeProbe(model: Model, options: ProbeOptions): Uint8Array {
  const { graph = model.graph, inputs, outputs, keep, nodes: isChosen = () => true } = options;
  const encoder: Encoder = {
    home: () => "inline",
    carried: [],
    terse: true,
    body: (body) => encodeGraph(body, encoder),
  };
  const nodes = graph.nodes.filter(isChosen);
  const named = new Set(inputs.map(({ name }) => name));
  const weights = [...weightsRead(nodes, graph, outputs)].filter(({ name }) => !named.has(name));
  const body = new Rope();
  for (const node of nodes) body.encoded(proto.graph.node, bare(encodeNode(node, encoder)));
  body.text(proto.graph.name, "probe");
  for (const value of weights.filter(keep)) {
    const tensor = encodeTensor(value.initializer!, value.name, "inline");
    body.encoded(proto.graph.initializer, tensor);
  }
  for (const { name, type } of inputs) body.message(proto.graph.input, port(name, type));
  for (const { name, initializer } of weights.filter((value) => !keep(value))) {
    const { dtype, shape } = initializer!;
    body.message(proto.graph.input, port(name, { dtype, shape }));
  }
  for (const name of outputs) body.message(proto.graph.output, port(name));
  const probe = new Rope().int(proto.model.ir_version, model.irVersion);
  probe.message(proto.model.graph, body);
  for (const [domain, version] of model.opsets) {
    probe.message(proto.model.opset_import, newOpset(domain, version));
  }
  for (const callee of model.functions.values()) {
    probe.encoded(proto.model.functions, encodeFunction(callee, encoder));
  }
  if (probe.length > largestMessage) throw fail("model-too-large", { out: model.path });
  return probe.flatten();
}

/** Fields of a node that say nothing to a runtime, and are most of what an exporter writes. */
const remarks = new Set([numbersOf("NodeProto").doc_string, numbersOf("NodeProto").metadata_props]);

/** A node without remarks, where it stays as it is in its file. */
function bare(node: Encoded): Encoded {
  if (node instanceof Rope) return node;
  const rope = new Rope();
  let { from } = node;
  const field = new Cursor(node);
  while (field.next()) {
    if (!remarks.has(field.number)) continue;
    rope.span(node.source, from, field.start);
    from = field.to;
  }
  return from === node.from ? node : rope.span(node.source, from, node.to);
}

function port(name: string, type?: TensorType): Rope {
  const rope = new Rope().text(proto.info.name, name);
  return type ? rope.message(proto.info.type, encodeType(type)) : rope;
}

/** Initializers that the nodes read, or their bodies do, in order of first use. */
function weightsRead(
  nodes: readonly Node[],
  graph: Graph,
  outputs: readonly string[],
  bodies: ReadonlySet<Graph> = new Set(),
  found: Set<Value> = new Set(),
): Set<Value> {
  const read = (value: Value | null | undefined) => {
    const isLocal = [...bodies].some((body) => body.values.get(value?.name ?? "") === value);
    if (value?.initializer && !isLocal) found.add(value);
  };
  for (const node of nodes) {
    node.inputs.forEach(read);
    for (const body of node.subgraphs) {
      body.outputs.forEach(read);
      weightsRead(body.nodes, graph, [], new Set([...bodies, body]), found);
    }
  }
  for (const name of outputs) read(graph.values.get(name));
  return found;
}
