/** Keys under which nodes of two graphs are looked for: equal keys, equal in some respect. */
import type { Graph, Node, Value } from "../ir/graph.ts";
import { fingerprint, isLeaf, leafOf, sparsePrints } from "./leaves.ts";
import { isCommutative, operandsOf, portOf, signatureOf } from "./signature.ts";

/** One of the graphs; Constant nodes that are tensors do not count as nodes. */
export interface Side {
  readonly graph: Graph;
  readonly nodes: readonly Node[];
  readonly signatures: ReadonlyMap<Node, string>;
  /** Fingerprints of tensors, those of sparse ones from the beginning. */
  readonly prints: Map<Value, string>;
}

export type Keys = ReadonlyMap<Node, number>;

export function sideOf(graph: Graph): Side {
  const nodes = graph.nodes.filter((node) => !isLeaf(node));
  const signatures = new Map(nodes.map((node) => [node, signatureOf(node)]));
  return { graph, nodes, signatures, prints: sparsePrints(graph) };
}

export type Interner = (text: string) => number;

/** Equal texts, equal numbers: keys stay short however deep a graph is. */
export function createInterner(): Interner {
  const known = new Map<string, number>();
  return (text) => {
    const number = known.get(text) ?? known.size;
    known.set(text, number);
    return number;
  };
}

function printOf(side: Side, value: Value, exact: boolean): string | null {
  const leaf = leafOf(value);
  if (!leaf) return side.prints.get(value) ?? null;
  if (!exact) return `${leaf.dtype}[${leaf.shape}]`;
  const known = side.prints.get(value) ?? fingerprint(leaf);
  side.prints.set(value, known);
  return known;
}

/** A node's key says all that leads to it. */
export function keysForward(
  side: Side,
  intern: Interner,
  exact: boolean,
  known: Keys = new Map(),
): Keys {
  const keys = new Map<Node, number>();
  const read = (value: Value | null) => {
    if (!value) return "-";
    const { producer } = value;
    const print = printOf(side, value, exact);
    if (print) return print;
    return producer ? `${keys.get(producer) ?? "?"}.${value.producerIndex}` : `$${value.name}`;
  };
  for (const node of side.nodes) {
    const match = known.get(node);
    const reads = () =>
      isCommutative(node) ? node.inputs.map(read).sort() : operandsOf(node).map(read);
    keys.set(node, match ?? intern(`>${side.signatures.get(node)}(${reads()})`));
  }
  return keys;
}

/** A node's key says all that it leads to, and the tensors met on the way. */
export function keysBackward(
  side: Side,
  intern: Interner,
  exact: boolean,
  known: Keys = new Map(),
): Keys {
  const keys = new Map<Node, number>();
  const outputs = new Map(side.graph.outputs.map((value, i) => [value, i]));
  const reach = (value: Value | null) => {
    if (!value) return "-";
    const readers = [...value.uses].map((use) => `${keys.get(use.node) ?? "?"}.${portOf(use)}`);
    return `${readers.sort()}$${outputs.get(value) ?? ""}`;
  };
  for (const node of side.nodes.toReversed()) {
    const match = known.get(node);
    const prints = () => operandsOf(node).map((value) => value && printOf(side, value, exact));
    const text = () =>
      `<${side.signatures.get(node)}(${prints()})${node.outputs.map(reach).join("|")}`;
    keys.set(node, match ?? intern(text()));
  }
  return keys;
}

const tellingSize = 16;

/** Nodes with weights, by the weights. */
export function keysOfWeights(side: Side, intern: Interner): Keys {
  const keys = new Map<Node, number>();
  for (const node of side.nodes) {
    const sizes = node.inputs.map((v) => v && leafOf(v)?.shape.reduce((n, d) => n * d, 1));
    if (!sizes.some((size) => (size ?? 0) >= tellingSize)) continue;
    const prints = operandsOf(node).map((value) => value && printOf(side, value, true));
    keys.set(node, intern(`w${side.signatures.get(node)}(${prints})`));
  }
  return keys;
}

export function keysOfNames(side: Side, intern: Interner): Keys {
  const named = side.nodes.filter((node) => node.name !== "");
  return new Map(named.map((node) => [node, intern(`n${side.signatures.get(node)} ${node.name}`)]));
}
