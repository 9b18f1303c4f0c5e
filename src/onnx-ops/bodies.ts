/** Graphs that stand in attributes of nodes which a patch grows. */
import { defineValue, insertNodes, setInput } from "../ir/edit.ts";
import { Graph, type Node, Value } from "../ir/graph.ts";
import type { TensorType } from "../ir/types.ts";
import type { FreshName } from "./names.ts";
import type { Patch } from "./patch.ts";

export type BodyInputs = Readonly<Record<string, TensorType>>;

/** Adds to a patch of the body; what it returns are the body's outputs. */
export type GrowBody = (inner: Patch, inputs: readonly Value[]) => readonly Value[];

/** Bodies whose nodes are not yet on record as readers: their patch is not committed. */
const open = new WeakSet<Graph>();

/** Nodes know what they read; what they read does not know of them before `connect`. */
export function growBody(
  inputs: BodyInputs,
  grow: GrowBody,
  freshName: FreshName,
  patchOf: (body: Graph) => Patch,
): Graph {
  const body = new Graph(freshName("body"));
  const given = Object.entries(inputs).map(([name, type]) => {
    return new Value(freshName(`${body.name}_${name}`), type);
  });
  const inner = patchOf(body);
  const made = grow(inner, given);
  for (const value of given) defineValue(body, value);
  insertNodes(body, 0, inner.nodes);
  body.inputs.push(...given);
  body.outputs.push(...made);
  open.add(body);
  return body;
}

/** Puts a grown node, and those inside of it, on record with the values that they read. */
export function connect(node: Node): void {
  const { inputs } = node;
  node.inputs = [];
  inputs.forEach((value, index) => {
    setInput(node, index, value);
  });
  for (const body of node.subgraphs) if (open.delete(body)) body.nodes.forEach(connect);
}
