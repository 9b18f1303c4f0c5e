import { removeInitializer, removeNodes } from "../ir/edit.ts";
import type { Graph, Node, Value } from "../ir/graph.ts";

/**
 * Removes these values' producers, and what only they needed, as far as nobody reads it any more.
 * Nodes that were dead before stay.
 */
export function sweep(graph: Graph, values: readonly Value[]): void {
  const outputs = new Set(graph.outputs);
  const dead = new Set<Node>();
  const orphans = [...values];
  for (let value = orphans.pop(); value; value = orphans.pop()) {
    if (outputs.has(value) || [...value.uses].some(({ node }) => !dead.has(node))) continue;
    const { producer } = value;
    if (value.initializer && !graph.inputs.includes(value)) removeInitializer(graph, value);
    if (!producer || producer.graph !== graph || dead.has(producer)) continue;
    const idle = (output: Value | null) =>
      !output || (!outputs.has(output) && [...output.uses].every(({ node }) => dead.has(node)));
    if (!producer.outputs.every(idle)) continue;
    dead.add(producer);
    orphans.push(...inputsOf(producer));
  }
  removeNodes(graph, dead);
}

/** What a node reads, the captures of its subgraphs included. */
function inputsOf(node: Node): Value[] {
  const own = node.inputs.filter((value) => value !== null);
  const captured = node.subgraphs.flatMap((body) => body.nodes.flatMap(inputsOf));
  return [...own, ...captured];
}
