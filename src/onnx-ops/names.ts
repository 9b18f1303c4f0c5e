import type { Graph } from "../ir/graph.ts";

export type FreshName = (base: string) => string;

/**
 * Names that neither the graph has nor an earlier call gave: `base`, `base_1`, ... Nodes and values
 * share them, and so do the bodies of If, Loop and Scan: runtimes refuse two nodes of one name and
 * an inner value that hides an outer one.
 */
export function freshNames(graph: Graph): FreshName {
  const taken = reservedOf(graph);
  const next = new Map<string, number>();
  return (base) => {
    for (let i = next.get(base) ?? 0; ; i++) {
      const name = i === 0 ? base : `${base}_${i}`;
      if (graph.values.has(name) || taken.has(name)) continue;
      taken.add(name);
      next.set(base, i + 1);
      return name;
    }
  };
}

/** Read once for a graph: what is removed later stays reserved. */
const reserved = new WeakMap<Graph, Set<string>>();

function reservedOf(graph: Graph): Set<string> {
  const known = reserved.get(graph) ?? new Set<string>();
  if (!reserved.has(graph)) collect(graph, known);
  reserved.set(graph, known);
  return known;
}

function collect(graph: Graph, names: Set<string>): void {
  for (const node of graph.nodes) {
    names.add(node.name);
    for (const body of node.subgraphs) {
      for (const name of body.values.keys()) names.add(name);
      collect(body, names);
    }
  }
}
