/** Tensors that stand in the graph: initializers and Constant nodes, told apart by content. */
import { createHash } from "node:crypto";
import { lengthOf } from "../ir/bytes.ts";
import type { Graph, Initializer, Node, Value } from "../ir/graph.ts";
import { slice } from "../ir/same-tensor.ts";
import { originOf } from "../onnx/origin.ts";

/** Whether a node is a tensor written as a node. */
export function isLeaf(node: Node): boolean {
  return node.op === "Constant" && node.attributes.get("value")?.value.type === "tensor";
}

/** The tensor that a value is, whichever way the model stores it; null for what is computed. */
export function leafOf(value: Value): Initializer | null {
  if (value.initializer) return value.initializer;
  const node = value.producer;
  if (!node || !isLeaf(node)) return null;
  const constant = node.attributes.get("value")?.value;
  return constant?.type === "tensor" ? constant.value : null;
}

const sample = 4096;
const wholeBelow = 16 * sample;

/**
 * Equal tensors have equal fingerprints; equal fingerprints of large tensors are evidence only,
 * taken from their ends and their middle.
 */
export function fingerprint({ dtype, shape, data }: Initializer): string {
  const length = lengthOf(data);
  const hash = createHash("sha1");
  if (length <= wholeBelow) hash.update(slice(data, 0, length));
  else {
    for (const at of [0, Math.floor(length / 2), length - sample]) {
      hash.update(slice(data, at, sample));
    }
  }
  return `${dtype}[${shape}]${hash.digest("base64")}`;
}

/** Sparse initializers, which nobody reads, are compared as they are written, names included. */
export function sparsePrints(graph: Graph): Map<Value, string> {
  return new Map(
    originOf.graph(graph).sparse.flatMap(({ value, source, from, to }) => {
      if (!value) return [];
      const bytes = source.read(from, to - from);
      return [[value, `sparse ${createHash("sha1").update(bytes).digest("base64")}`] as const];
    }),
  );
}
