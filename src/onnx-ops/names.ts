import type { Graph } from "../ir/graph.ts";

/** Names that neither the graph has nor an earlier call gave: `base`, `base_1`, ... */
export function freshNames(graph: Graph): (base: string) => string {
  const taken = new Set<string>();
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
