import { calleeOf } from "../ir/calls.ts";
import type { Graph, Model, Node, Value } from "../ir/graph.ts";
import { multiplyAdds, type Shapes } from "./multiply-adds.ts";
import { evaluateDim } from "./sizes.ts";

/** The size that FLOPs are counted at for symbolic axes other than the batch. */
export const assumedSize = 64;

/**
 * FLOPs of nodes at batch 1: two for every multiply-add of products, convolutions and attention,
 * projections included; elementwise work, norms and softmax are not counted. Other symbolic sizes
 * count as `assumedSize`. The nodes' values need their types (passes/infer-types.ts); a node whose
 * shapes are unknown, or that is a loop or a function, counts as nothing (see `uncounted`).
 */
export function flops(model: Model, nodes: Iterable<Node> = model.graph.nodes): number {
  const shapes = shapesAtBatch1(model.graph);
  let sum = 0;
  for (const node of nodes) sum += multiplyAdds[node.op]?.(shapes(node)) ?? 0;
  return Math.round((2 * sum) / staticBatch(model.graph));
}

/** Nodes that do have multiply-adds, or bodies, and that `flops` can say nothing about. */
export function uncounted(model: Model, nodes: Iterable<Node> = model.graph.nodes): Node[] {
  const shapes = shapesAtBatch1(model.graph);
  return [...nodes].filter((node) => {
    const rule = multiplyAdds[node.op];
    if (rule) return rule(shapes(node)) === undefined;
    return node.subgraphs.length > 0 || calleeOf(node, model.functions) !== undefined;
  });
}

/** Sizes by name: 1 for what stands first in an input, `assumedSize` for the rest. */
export function sizesAtBatch1(graph: Graph): (name: string) => number {
  const batch = new Set(
    graph.inputs.filter((input) => !input.initializer).map((input) => input.type?.shape?.[0]),
  );
  return (name) => (batch.has(name) ? 1 : assumedSize);
}

/**
 * The batch of a model that is exported at a fixed one: the first axis of its first input and of
 * its first output, where that is no token axis.
 */
export function staticBatch({ inputs, outputs }: Graph): number {
  const input = inputs.find((each) => !each.initializer)?.type;
  const first = input?.shape?.[0];
  const rank = input?.shape?.length ?? 0;
  const isBatch = rank >= 3 || (rank === 2 && input?.dtype.includes("int"));
  const batched = isBatch && typeof first === "number" && outputs[0]?.type?.shape?.[0] === first;
  return batched && first > 0 ? first : 1;
}

function shapesAtBatch1(graph: Graph): (node: Node) => Shapes {
  const named = sizesAtBatch1(graph);
  // A name that only stands inside of another one (`2*batch`) must not hide the whole.
  const sizeOf = (name: string) => (/[-+*/()\s]/.test(name) ? undefined : named(name));
  const shapeOf = (value: Value | null | undefined): readonly number[] | undefined => {
    const shape = value?.type?.shape?.map((dim) => evaluateDim(dim, sizeOf));
    return shape?.every((size) => size !== undefined) ? (shape as number[]) : undefined;
  };
  return (node) => ({
    node,
    input: (index) => shapeOf(node.inputs[index]),
    output: (index) => shapeOf(node.outputs[index]),
  });
}
