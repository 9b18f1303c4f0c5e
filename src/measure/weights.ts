import type { Initializer, Model } from "../ir/graph.ts";
import { dtypes, elements } from "../ir/types.ts";

/**
 * How many parameters the main graph has: elements of its floating-point initializers of rank 1 and
 * more, each once however many nodes read it.
 */
export function parameters(model: Model): number {
  let count = 0;
  for (const { initializer } of model.graph.initializers) {
    if (initializer && isParameter(initializer)) count += elements(initializer.shape);
  }
  return count;
}

/** Whether an initializer counts as a parameter, and not as a constant of the computation. */
export function isParameter({ dtype, shape }: Initializer): boolean {
  return dtypes[dtype].float && shape.length >= 1;
}

/** Nodes of the main graph, Constant nodes included, those of subgraphs not. */
export function nodeCount(model: Model): number {
  return model.graph.nodes.length;
}
