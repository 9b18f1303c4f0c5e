/** The invariants of a graph. Passes keep them; a violation is a mistake of graftc. */
import type { Graph, Model, Node, Value } from "../src/ir/graph.ts";

/** Who reads a value, and where: of values that many nodes read. */
type Crowds = Map<Value, Map<Node, Set<number>>>;

const many = 16;

/** @throws Error naming the first violation. */
export function verify(model: Model): void {
  verifyGraph(model.graph, new Set(), new Map());
}

function verifyGraph(graph: Graph, outer: ReadonlySet<Value>, crowds: Crowds): void {
  // Sparse initializers have no producer either; they are carried unread.
  const given = [...graph.values.values()].filter((value) => !value.producer);
  const known = new Set<Value>([...outer, ...graph.inputs, ...graph.initializers, ...given]);
  const names = new Set<string>();
  const define = (value: Value) => {
    if (names.has(value.name)) throw new Error(`${value.name} is defined twice`);
    if (graph.values.get(value.name) !== value) throw new Error(`${value.name} is not on record`);
    names.add(value.name);
    known.add(value);
  };
  for (const value of new Set([...graph.inputs, ...graph.initializers])) define(value);
  for (const node of graph.nodes) {
    if (node.graph !== graph) throw new Error(`${node.name} belongs to another graph`);
    verifyInputs(node, known, crowds);
    for (const body of node.subgraphs) verifyGraph(body, known, crowds);
    node.outputs.forEach((value, index) => {
      if (!value) return;
      if (value.producer !== node || value.producerIndex !== index) {
        throw new Error(`${value.name} does not know its producer`);
      }
      define(value);
    });
  }
  for (const value of graph.outputs) {
    if (!known.has(value)) throw new Error(`the output ${value.name} is not made`);
  }
}

function verifyInputs(node: Node, known: ReadonlySet<Value>, crowds: Crowds): void {
  node.inputs.forEach((value, index) => {
    if (!value) return;
    if (!known.has(value)) throw new Error(`${node.name} reads ${value.name} before it is made`);
    if (!knowsReader(value, node, index, crowds)) {
      throw new Error(`${value.name} does not know that ${node.name} reads it`);
    }
  });
}

function knowsReader(value: Value, node: Node, index: number, crowds: Crowds): boolean {
  if (value.uses.size > many) return crowdOf(value, crowds).get(node)?.has(index) ?? false;
  for (const use of value.uses) if (use.node === node && use.index === index) return true;
  return false;
}

function crowdOf(value: Value, crowds: Crowds): ReadonlyMap<Node, ReadonlySet<number>> {
  const known = crowds.get(value);
  if (known) return known;
  const crowd = new Map<Node, Set<number>>();
  for (const { node, index } of value.uses) {
    crowd.set(node, (crowd.get(node) ?? new Set()).add(index));
  }
  crowds.set(value, crowd);
  return crowd;
}
