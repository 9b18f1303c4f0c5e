/**
 * The mutators of the graph. Patch is their only caller besides the codec that builds a graph from
 * a file; test/architecture.test.ts holds that. They keep `uses`, `producer` and `values` true.
 */
import type { Attribute, Graph, Initializer, Node, Use, Value } from "./graph.ts";

/** Adds a value under its name. The name must be free. */
export function defineValue(graph: Graph, value: Value): void {
  if (graph.values.has(value.name)) throw new Error(`value ${value.name} is defined twice`);
  graph.values.set(value.name, value);
}

export function defineInitializer(graph: Graph, value: Value, initializer: Initializer): void {
  if (!graph.values.has(value.name)) defineValue(graph, value);
  value.initializer = initializer;
  graph.initializers.add(value);
}

/**
 * Adds weights. Where every initializer is listed among the graph's inputs (IR 3 asks for that, and
 * some exporters still do it), new ones are, too.
 */
export function defineWeights(graph: Graph, values: Iterable<Value>): void {
  const inputs = new Set(graph.inputs);
  const listed =
    graph.initializers.size > 0 && [...graph.initializers].every((value) => inputs.has(value));
  for (const value of values) {
    defineInitializer(graph, value, value.initializer!);
    if (listed) graph.inputs.push(value);
  }
}

/** Gives an initializer other contents under its name. */
export function setInitializer(value: Value, initializer: Initializer): void {
  value.initializer = initializer;
  value.type = { dtype: initializer.dtype, shape: initializer.shape };
}

export function setAttribute(node: Node, attribute: Attribute): void {
  node.attributes.set(attribute.name, attribute);
  node.bodies = null;
}

/** Adds to the metadata of a node. */
export function setProperties(node: Node, properties: ReadonlyMap<string, string>): void {
  node.metadata = new Map([...node.metadata, ...properties]);
}

/** Sets one input, moving the use from the old value to the new one. */
export function setInput(node: Node, index: number, value: Value | null): void {
  const old = node.inputs[index];
  if (old) {
    for (const use of old.uses) {
      if (use.node === node && use.index === index) old.uses.delete(use);
    }
  }
  node.inputs[index] = value;
  value?.uses.add({ node, index } satisfies Use);
}

/** Declares `values` as the outputs of `node`; they become values of its graph by `insertNodes`. */
export function setOutputs(node: Node, values: readonly (Value | null)[]): void {
  node.outputs = [...values];
  values.forEach((value, index) => {
    if (!value) return;
    value.producer = node;
    value.producerIndex = index;
  });
}

/** Gives a node of a graph an output that it had left out. */
export function addOutput(node: Node, index: number, value: Value): void {
  while (node.outputs.length <= index) node.outputs.push(null);
  if (node.outputs[index] || !node.graph) throw new Error(`${node.name} has output ${index}`);
  node.outputs[index] = value;
  defineValue(node.graph, value);
}

/** Inserts nodes, already wired, at a position of the graph's order and defines their outputs. */
export function insertNodes(graph: Graph, at: number, nodes: readonly Node[]): void {
  for (const node of nodes) {
    node.graph = graph;
    for (const value of node.outputs) if (value) defineValue(graph, value);
  }
  graph.nodes = [...graph.nodes.slice(0, at), ...nodes, ...graph.nodes.slice(at)];
}

/** Removes nodes and the values they define. Their outputs must have no uses left outside the set. */
export function removeNodes(graph: Graph, nodes: ReadonlySet<Node>): void {
  for (const node of nodes) {
    node.inputs.forEach((value, index) => {
      if (value) setInput(node, index, null);
    });
    for (const value of node.outputs) if (value) graph.values.delete(value.name);
    node.graph = null;
  }
  graph.nodes = graph.nodes.filter((node) => !nodes.has(node));
}

/** Also from the graph's inputs, where older models list their weights. */
export function removeInitializer(graph: Graph, value: Value): void {
  graph.initializers.delete(value);
  graph.values.delete(value.name);
  if (graph.inputs.includes(value)) graph.inputs = graph.inputs.filter((each) => each !== value);
}

export function renameValue(graph: Graph, value: Value, name: string): void {
  if (graph.values.has(name)) throw new Error(`value ${name} is defined already`);
  graph.values.delete(value.name);
  value.name = name;
  graph.values.set(name, value);
}

/** Makes `heir` the output that `from` was, under its name; `from` is called `away` from then on. */
export function replaceOutput(graph: Graph, from: Value, heir: Value, away: string): void {
  const { name } = from;
  renameValue(graph, from, away);
  renameValue(graph, heir, name);
  heir.origin = from.origin;
  heir.declared = from.declared;
  heir.type = from.type ?? heir.type;
  from.origin = null;
  from.declared = false;
  graph.outputs = graph.outputs.map((output) => (output === from ? heir : output));
}
