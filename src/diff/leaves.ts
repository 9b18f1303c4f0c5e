/** Tensors that stand in the graph: initializers and Constant nodes, told apart by content. */
import { createHash } from "node:crypto";
import { type Bytes, lengthOf } from "../ir/bytes.ts";
import type { Graph, Initializer, Node, Value } from "../ir/graph.ts";
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

const chunk = 1 << 22;

/** Compares byte by byte, a few megabytes at a time. */
export function sameTensor(a: Initializer, b: Initializer): boolean {
  if (a.dtype !== b.dtype || `${a.shape}` !== `${b.shape}`) return false;
  const length = lengthOf(a.data);
  if (length !== lengthOf(b.data)) return false;
  if (samePlace(a.data, b.data)) return true;
  for (let at = 0; at < length; at += chunk) {
    const size = Math.min(chunk, length - at);
    if (Buffer.compare(slice(a.data, at, size), slice(b.data, at, size)) !== 0) return false;
  }
  return true;
}

function samePlace(a: Bytes, b: Bytes): boolean {
  if (a.kind !== "file" || b.kind !== "file") return false;
  return a.file.path === b.file.path && a.offset === b.offset;
}

function slice(bytes: Bytes, at: number, length: number): Uint8Array {
  if (bytes.kind === "file") return bytes.file.read(bytes.offset + at, length);
  const data = bytes.kind === "memory" ? bytes.data : bytes.compute();
  return data.subarray(at, at + length);
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
