/** How much memory a run of a graph takes: what is alive at once, in the order that it runs in. */
import type { Graph, Node, Value } from "../../src/ir/graph.ts";
import { readsOf } from "../../src/ir/order.ts";
import { byteLength, elements, isStatic } from "../../src/ir/types.ts";

export interface Memory {
  /** Bytes of what nodes compute, at the worst moment. */
  readonly peak: number;
  /** Bytes of the weights that the graph holds. */
  readonly frozen: number;
  /** How many there are to run. */
  readonly nodes: number;
}

/** Nodes that give another view of what they read, where ONNX Runtime copies nothing. */
const views = /^(Reshape|Squeeze|Unsqueeze|Flatten|Identity)$/;

/**
 * For these outputs alone, which lie elsewhere: they are not counted. Values of unknown size are
 * taken for nothing.
 */
export function memoryOf(graph: Graph, outputs: readonly Value[] = graph.outputs): Memory {
  const order = runOrder(graph, outputs);
  const home = (value: Value): Value => {
    const { producer } = value;
    return producer && views.test(producer.op) && producer.inputs[0]
      ? home(producer.inputs[0])
      : value;
  };
  const lastRead = new Map<Value, number>();
  order.forEach((node, i) => {
    for (const value of readsOf(node)) lastRead.set(home(value), i);
  });
  const elsewhere = new Set(outputs.map(home));
  const ending = new Map<number, Value[]>();
  for (const [value, i] of lastRead) ending.set(i, [...(ending.get(i) ?? []), value]);
  const size = (value: Value) => (elsewhere.has(value) ? 0 : bytesOf(value));
  let alive = 0;
  let peak = 0;
  order.forEach((node, i) => {
    const made = node.outputs.filter((value) => value !== null && home(value) === value);
    for (const value of made) alive += size(value!);
    peak = Math.max(peak, alive);
    for (const value of ending.get(i) ?? []) if (value.producer) alive -= size(value);
    for (const value of made) if (!lastRead.has(value!)) alive -= size(value!);
  });
  const weights = new Set(order.flatMap(readsOf).filter(({ initializer }) => initializer));
  const frozen = [...weights].reduce((sum, value) => sum + bytesOf(value), 0);
  return { peak, frozen, nodes: order.length };
}

function bytesOf({ type, initializer }: Value): number {
  if (initializer) return byteLength(initializer.dtype, elements(initializer.shape));
  return type && isStatic(type.shape) ? byteLength(type.dtype, elements(type.shape)) : 0;
}

/**
 * ONNX Runtime's own order: depth first from the nodes that nobody reads, the last of them first.
 */
function runOrder(graph: Graph, outputs: readonly Value[]): Node[] {
  const position = new Map(graph.nodes.map((node, i) => [node, i]));
  const producers = (node: Node) => [
    ...new Set(
      readsOf(node).flatMap(({ producer }) => (producer?.graph === graph ? producer : [])),
    ),
  ];
  const ends = [...new Set(outputs.flatMap(({ producer }) => producer ?? []))];
  const needed = new Set<Node>();
  const open = [...ends];
  for (let node = open.pop(); node; node = open.pop()) {
    if (needed.has(node)) continue;
    needed.add(node);
    open.push(...producers(node));
  }
  const inOrder = (nodes: Iterable<Node>) =>
    [...nodes].sort((a, b) => position.get(a)! - position.get(b)!);
  const read = new Set([...needed].flatMap(producers));
  const leaves = ends.filter((node) => !read.has(node));
  const stack: (readonly [Node, boolean])[] = inOrder(leaves).map((node) => [node, false]);
  const seen = new Set<Node>();
  const order: Node[] = [];
  for (let entry = stack.pop(); entry; entry = stack.pop()) {
    const [node, leaving] = entry;
    if (leaving) order.push(node);
    if (leaving || seen.has(node)) continue;
    seen.add(node);
    stack.push([node, true]);
    for (const producer of inOrder(producers(node))) {
      if (!seen.has(producer)) stack.push([producer, false]);
    }
  }
  return order;
}
