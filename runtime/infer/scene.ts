/** What a probe gets to see of a graph: its nodes but for those no runtime knows, and no weights. */
import { lengthOf } from "../../src/ir/bytes.ts";
import type { Graph, Model, Node, Value } from "../../src/ir/graph.ts";
import { dtypes, type TensorType } from "../../src/ir/types.ts";
import { namerOf } from "./size-names.ts";

export interface Scene {
  readonly model: Model;
  readonly graph: Graph;
  readonly nodes: readonly Node[];
  /**
   * Inputs, weights without their data, and what left-out nodes would have made. Their sizes
   * without a name are called `?1`, `?2`, ...
   */
  readonly inputs: readonly { readonly value: Value; readonly type: TensorType }[];
  /** Whether an initializer stays one: shape arithmetic reads its numbers. */
  readonly keep: (value: Value) => boolean;
  /** What the nodes define. */
  readonly outputs: readonly Value[];
}

/** Larger constants are weights; indices, shapes, scales and small tables are not. */
export const mostConstantBytes = 1024;

/**
 * The scene of `graph` without `leftOut` and what only they reach. A value that a left-out node
 * makes is an input where its type is declared.
 */
export function sceneOf(model: Model, graph: Graph, leftOut: ReadonlySet<Node>): Scene {
  const gone = new Set<Node>(leftOut);
  const inputs = new Map<Value, TensorType>();
  const queue = [...leftOut];
  for (let node = queue.pop(); node; node = queue.pop()) {
    for (const value of node.outputs) {
      if (!value) continue;
      const { type } = value;
      if (type && fitsOrt(type)) {
        inputs.set(value, type);
        continue;
      }
      for (const use of value.uses) {
        const reader = ownerIn(graph, use.node);
        if (!reader || gone.has(reader)) continue;
        gone.add(reader);
        queue.push(reader);
      }
    }
  }
  const nodes = graph.nodes.filter((node) => !gone.has(node));
  const made = new Set(nodes.flatMap((node) => node.outputs).filter((value) => value !== null));
  for (const value of made) inputs.delete(value);
  for (const value of inputs.keys()) if (value.uses.size === 0) inputs.delete(value);

  for (const value of outsideOf(graph)) {
    const type = value.type ?? value.initializer;
    if (type && !keeps(value)) inputs.set(value, { dtype: type.dtype, shape: type.shape });
  }
  let nameless = 0;
  const nameOf = namerOf(inputs.values());
  const named = ({ dtype, shape }: TensorType): TensorType => {
    return { dtype, shape: shape?.map((dim) => nameOf(dim) ?? `?${++nameless}`) ?? null };
  };
  return {
    model,
    graph,
    nodes,
    inputs: [...inputs].map(([value, type]) => ({ value, type: named(type) })),
    keep: keeps,
    outputs: [...made],
  };
}

/** What the graph has without making it. */
export function borderOf({ graph, inputs }: Scene): Map<string, TensorType> {
  const kept = [...graph.initializers].map(({ name, initializer }) => {
    const { dtype, shape } = initializer!;
    return [name, { dtype, shape }] as const;
  });
  return new Map([...kept, ...inputs.map(({ value, type }) => [value.name, type] as const)]);
}

function keeps({ initializer }: Value): boolean {
  return (
    initializer !== null &&
    initializer.dtype !== "bfloat16" &&
    lengthOf(initializer.data) <= mostConstantBytes
  );
}

/** What the nodes of a graph may read without making it: its inputs, weights, and captures. */
function outsideOf(graph: Graph): Set<Value> {
  // Sparse initializers are values that nothing makes, too.
  const given = [...graph.values.values()].filter(({ producer }) => producer === null);
  const found = new Set<Value>([...given, ...graph.initializers]);
  const visit = (nodes: readonly Node[]) => {
    for (const node of nodes) {
      for (const value of node.inputs) {
        if (value && graph.owner && isOutside(graph, value)) found.add(value);
      }
      for (const body of node.subgraphs) visit(body.nodes);
    }
  };
  if (graph.owner) visit(graph.nodes);
  return found;
}

/** What a node reads, captures of its bodies included; values that bodies make are none of them. */
export function readsOf(node: Node): Value[] {
  const own = node.inputs.filter((value) => value !== null);
  if (node.subgraphs.length === 0) return own;
  const captured = node.subgraphs.flatMap((body) =>
    [...body.nodes.flatMap(readsOf), ...body.outputs].filter(
      (value) => body.values.get(value.name) !== value,
    ),
  );
  return [...own, ...captured];
}

function isOutside(graph: Graph, value: Value): boolean {
  return value.producer !== null && ownerIn(graph, value.producer) === null;
}

/** The node of `graph` itself that `node` is, or whose body it stands in. */
export function ownerIn(graph: Graph, node: Node): Node | null {
  let at: Node | null = node;
  while (at && at.graph !== graph) at = at.graph?.owner ?? null;
  return at;
}

const exotic = /^(complex|float8|float4|u?int[24]$|bfloat16)/;

/** Whether onnxruntime-node takes and gives tensors of this type; bfloat16 is mapped before. */
export function fitsOrt({ dtype }: TensorType): boolean {
  return dtype === "bfloat16" || !(exotic.test(dtype) || dtypes[dtype] === undefined);
}
