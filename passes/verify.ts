/** The invariants of a graph. Passes keep them; a violation is a mistake of graftc. */
import type { Graph, Model, Node, Value } from "../src/ir/graph.ts";

/** @throws Error naming the first violation. */
export function verify(model: Model): void {
  verifyGraph(model.graph, new Set());
}

function verifyGraph(graph: Graph, outer: ReadonlySet<Value>): void {
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
    verifyInputs(node, known);
    for (const body of node.subgraphs) verifyGraph(body, known);
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

function verifyInputs(node: Node, known: ReadonlySet<Value>): void {
  node.inputs.forEach((value, index) => {
    if (!value) return;
    if (!known.has(value)) throw new Error(`${node.name} reads ${value.name} before it is made`);
    if (!knowsReader(value, node, index)) {
      throw new Error(`${value.name} does not know that ${node.name} reads it`);
    }
  });
}

function knowsReader({ uses }: Value, node: Node, index: number): boolean {
  for (const use of uses) if (use.node === node && use.index === index) return true;
  return false;
}
