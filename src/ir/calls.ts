/** Calls of a model's own functions. */
import type { FunctionBody, Model, Node } from "./graph.ts";

export type Functions = Model["functions"];

/** What a node calls; undefined for an operator. Functions cannot take the place of ai.onnx's own. */
export function calleeOf({ domain, op }: Node, functions: Functions): FunctionBody | undefined {
  return domain === "" ? undefined : functions.get(op);
}

/** More nodes than any model has: functions that call each other by tens multiply without end. */
const mostNodes = 1_000_000;

/** Whether what all calls of the main graph stand for is of a size that can be looked at. */
export function callsAreFinite({ graph, functions }: Pick<Model, "graph" | "functions">): boolean {
  if (functions.size === 0) return true;
  const sizes = new Map<FunctionBody, number>();
  const sizeOf = (nodes: readonly Node[]): number => {
    return nodes.reduce((sum, node) => sum + weightOf(node), 0);
  };
  const weightOf = (node: Node): number => {
    const body = calleeOf(node, functions);
    if (!body) return 1;
    const known = sizes.get(body);
    if (known !== undefined) return known;
    // Whoever calls itself finds this.
    sizes.set(body, Number.POSITIVE_INFINITY);
    const size = sizeOf(body.nodes);
    sizes.set(body, size);
    return size;
  };
  return sizeOf(graph.nodes) <= mostNodes;
}
