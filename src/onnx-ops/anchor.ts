import type { Graph, Node, Value } from "../ir/graph.ts";
import { readsOf } from "../ir/order.ts";

/** Where nodes stand, those that are not in the graph left out. */
export function positionsIn(graph: Graph, wanted: ReadonlySet<Node>): Map<Node, number> {
  const position = new Map<Node, number>();
  graph.nodes.forEach((node, i) => {
    if (wanted.has(node)) position.set(node, i);
  });
  return position;
}

/**
 * Where new nodes go, and whether every node of `moves` then comes after what makes the value that
 * it is to read.
 */
export function placeFor(
  graph: Graph,
  nodes: readonly Node[],
  moves: readonly (readonly [Node, Value])[],
): { anchor: number; inOrder: boolean } {
  const read = [...nodes.flatMap(readsOf), ...moves.map(([, to]) => to)];
  const makers = read.flatMap(({ producer }) => producer ?? []);
  const position = positionsIn(graph, new Set([...makers, ...moves.map(([node]) => node)]));
  const anchor = anchorOf(nodes, position);
  const inOrder = moves.every(([node, to]) => standsBehind(node, to, anchor, position));
  return { anchor, inOrder };
}

/** New nodes go right behind the last producer of what they read and did not make themselves. */
function anchorOf(nodes: readonly Node[], position: ReadonlyMap<Node, number>): number {
  let anchor = 0;
  for (const node of nodes) {
    for (const value of readsOf(node)) {
      const at = value.producer ? position.get(value.producer) : undefined;
      if (at !== undefined && at >= anchor) anchor = at + 1;
    }
  }
  return anchor;
}

/** Whether a node comes after what makes `value`; nodes of the patch stand at `anchor`. */
function standsBehind(
  node: Node,
  value: Value,
  anchor: number,
  position: ReadonlyMap<Node, number>,
): boolean {
  const ready = value.producer ? (position.get(value.producer) ?? anchor - 1) : -1;
  return (position.get(node) ?? -1) > ready;
}
