/** A graph whose nodes wait for each other cannot be run, nor edited. */
import type { Graph, Node } from "../ir/graph.ts";
import { isInOrder, producersOf } from "../ir/order.ts";

/** A node of `graph` on a cycle; linear. */
export function nodeOnCycle(graph: Graph): Node | undefined {
  if (isInOrder(graph)) return undefined;
  const needs = graph.nodes.map((node) => [...producersOf(node, graph)]);
  const waiting = needs.map((producers) => producers.length);
  const readers = new Map<Node, number[]>(graph.nodes.map((node) => [node, []]));
  needs.forEach((producers, i) => {
    for (const producer of producers) readers.get(producer)!.push(i);
  });
  const ready = waiting.flatMap((count, i) => (count === 0 ? [i] : []));
  for (let next = ready.pop(); next !== undefined; next = ready.pop()) {
    for (const reader of readers.get(graph.nodes[next]!)!) {
      if (--waiting[reader]! === 0) ready.push(reader);
    }
  }
  const stuck = graph.nodes.filter((_, i) => waiting[i]! > 0);
  return stuck.find((node) => leadsBack(node, new Set(stuck), graph)) ?? stuck[0];
}

/** Of the nodes that wait, those behind a cycle wait too: take one that waits for itself. */
function leadsBack(from: Node, stuck: ReadonlySet<Node>, graph: Graph): boolean {
  const seen = new Set<Node>();
  const open = [from];
  for (let node = open.pop(); node; node = open.pop()) {
    for (const producer of producersOf(node, graph)) {
      if (producer === from) return true;
      if (!stuck.has(producer) || seen.has(producer)) continue;
      seen.add(producer);
      open.push(producer);
    }
  }
  return false;
}
