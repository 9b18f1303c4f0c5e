/** What whole numbers shapes and constants tell before anything runs. */
import type { Node, Value } from "../../src/ir/graph.ts";
import { storedInts, storedTensor } from "../../src/onnx-ops/stored.ts";

type Elements = readonly (number | null)[];

/** Whether a node computes with nothing but what is stored. */
export function preparesConstants(node: Node): boolean {
  const upstream = new Set([node]);
  for (const { inputs } of upstream) {
    for (const value of inputs) {
      if (!value || value.initializer || value.producer?.op === "Constant") continue;
      if (!value.producer?.inputs.length) return false;
      upstream.add(value.producer);
    }
  }
  return true;
}

/** Who reads a weight, behind the nodes that turn or cast it. */
export function readersOf(value: Value): Node[] {
  const readers: Node[] = [];
  const values = new Set([value]);
  for (const { uses } of values) {
    for (const { node } of uses) {
      if (!preparesConstants(node)) readers.push(node);
      else for (const output of node.outputs) if (output) values.add(output);
    }
  }
  return readers;
}

const layoutOps = /^(Transpose|Cast|Identity|Reshape|Squeeze|Unsqueeze)$/;

/** The stored tensor behind a value: through Transpose, Cast and the like. */
export function storedBehind(value: Value): Value | null {
  let at: Value | null | undefined = value;
  while (at && !storedTensor(at)) {
    at = at.producer && layoutOps.test(at.producer.op) ? at.producer.inputs[0] : null;
  }
  return at ?? null;
}

/** As storedInts, but through what exporters compute from shapes; null for elements not known. */
export function knownInts(value: Value): Elements | null {
  const stored = storedInts(value);
  if (stored || !value.producer) return stored;
  return rules[value.producer.op]?.(value.producer) ?? null;
}

type Rule = (node: Node) => Elements | null;

function input(node: Node, index: number): Elements | null {
  const value = node.inputs[index];
  return value ? knownInts(value) : null;
}

function isVector(node: Node): boolean {
  return (node.inputs[0]?.type?.shape?.length ?? 1) === 1;
}

const same: Rule = (node) => input(node, 0);

function pairwise(apply: (a: number, b: number) => number): Rule {
  return (node) => {
    const [a, b] = [input(node, 0), input(node, 1)];
    if (!a || !b || (a.length !== b.length && a.length !== 1 && b.length !== 1)) return null;
    return Array.from({ length: Math.max(a.length, b.length) }, (_, i) => {
      const [x, y] = [a[a.length === 1 ? 0 : i], b[b.length === 1 ? 0 : i]];
      return x == null || y == null ? null : apply(x, y);
    });
  };
}

const rules: Readonly<Record<string, Rule>> = {
  Shape: (node) => {
    const shape = node.inputs[0]?.type?.shape;
    const dims = shape?.map((dim) => (typeof dim === "number" ? dim : null));
    return dims?.slice(node.int("start") ?? 0, node.int("end") ?? dims.length) ?? null;
  },
  Gather: (node) => {
    const [items, at] = [input(node, 0), input(node, 1)];
    if (!items || !at || !isVector(node)) return null;
    return at.map((i) => (i === null ? null : (items.at(i) ?? null)));
  },
  Slice: (node) => {
    const [items, start, end, step] = [0, 1, 2, 4].map((i) => input(node, i));
    if (!items || start?.[0] == null || end?.[0] == null || !isVector(node)) return null;
    return (step?.[0] ?? 1) === 1 ? items.slice(start[0], end[0]) : null;
  },
  Concat: (node) => {
    const parts = node.inputs.map((_, i) => input(node, i));
    return parts.every((part) => part !== null) ? parts.flat() : null;
  },
  Cast: same,
  Identity: same,
  Unsqueeze: same,
  Squeeze: same,
  Reshape: same,
  Add: pairwise((a, b) => a + b),
  Sub: pairwise((a, b) => a - b),
  Mul: pairwise((a, b) => a * b),
  Div: pairwise((a, b) => Math.trunc(a / b)),
};
