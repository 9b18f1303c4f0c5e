/** Where in a text the nodes of operators come from. */
import type { Span } from "../diag/span.ts";
import type { Node } from "../ir/graph.ts";

const places = new WeakMap<Node, Span>();

/** The expression that grew a node, the innermost one; undefined for what no operator grew. */
export function placeOf(node: Node): Span | undefined {
  return places.get(node);
}

export function notePlace(nodes: readonly Node[], at: Span): void {
  for (const node of nodes) if (!places.has(node)) places.set(node, at);
}
