import type { Graph, Node, Value } from "./graph.ts";

/** What a node reads, the captures of its subgraphs included. */
export function readsOf(node: Node): Value[] {
  const own = node.inputs.filter((value) => value !== null);
  if (node.subgraphs.length === 0) return own;
  const captured = node.subgraphs.flatMap(({ nodes, outputs }) => [
    ...nodes.flatMap(readsOf),
    ...outputs,
  ]);
  return [...own, ...captured];
}

/** Nodes of `graph` that must run before `node`, captures of its subgraphs included. */
export function producersOf(node: Node, graph: Graph, found: Set<Node> = new Set()): Set<Node> {
  const add = (value: Value | null) => {
    if (value?.producer?.graph === graph) found.add(value.producer);
  };
  node.inputs.forEach(add);
  for (const body of node.subgraphs) {
    body.outputs.forEach(add);
    for (const inner of body.nodes) producersOf(inner, graph, found);
  }
  return found;
}

/** Puts every node behind the producers of what it reads. @throws Error on a cycle. */
export function sortTopologically(graph: Graph): void {
  graph.nodes = [...inOrder(graph)];
}

/**
 * The nodes, each behind the producers of what it reads. Stable: an order that is right already is
 * left alone, and otherwise each node moves back no further than it must.
 * @throws Error on a cycle.
 */
export function inOrder(graph: Graph): readonly Node[] {
  if (isInOrder(graph)) return graph.nodes;
  const done = new Set<Node>();
  const open = new Set<Node>();
  const sorted: Node[] = [];
  for (const root of graph.nodes) {
    const stack: { node: Node; rest: Node[] }[] = [];
    const enter = (node: Node) => {
      if (done.has(node)) return;
      if (open.has(node)) throw new Error(`the graph has a cycle through ${node.name}`);
      open.add(node);
      stack.push({ node, rest: [...producersOf(node, graph)].reverse() });
    };
    enter(root);
    for (let top = stack.at(-1); top; top = stack.at(-1)) {
      const next = top.rest.pop();
      if (next) enter(next);
      else {
        stack.pop();
        open.delete(top.node);
        done.add(top.node);
        sorted.push(top.node);
      }
    }
  }
  return sorted;
}

/** Whether every node stands behind the producers of what it reads. */
export function isInOrder(graph: Graph): boolean {
  const done = new Set<Node>();
  const isThere = (value: Value | null) =>
    value?.producer?.graph !== graph || done.has(value.producer);
  const canRun = (node: Node): boolean =>
    node.inputs.every(isThere) &&
    node.subgraphs.every((body) => body.outputs.every(isThere) && body.nodes.every(canRun));
  return graph.nodes.every((node) => canRun(node) && done.add(node));
}

/**
 * Puts nodes that nobody reads behind all others, in the opposite order. ONNX Runtime goes depth
 * first from such nodes, the last one first: what was to come first then does, before anything that
 * only the others need.
 */
export function putEndsLast(graph: Graph): void {
  const isEnd = ({ outputs }: Node) => outputs.every((value) => !value?.uses.size);
  const ends = graph.nodes.filter(isEnd);
  graph.nodes = [...graph.nodes.filter((node) => !isEnd(node)), ...ends.toReversed()];
}
