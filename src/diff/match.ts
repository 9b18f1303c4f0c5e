/**
 * Which node of one graph is which of the other, whatever they are called. Certain matches first
 * (equal computations, seen from the inputs, then from the outputs), then nodes that hold the same
 * weights and their neighbours, then equal names, and at last equal shape without the weights, so
 * that a model that was only trained matches throughout.
 */
import type { Graph, Node, Use, Value } from "../ir/graph.ts";
import { fingerprint, isLeaf, leafOf } from "./leaves.ts";
import { isCommutative, operandsOf, signatureOf } from "./signature.ts";

export interface Matching {
  /** Nodes of the first graph and theirs in the second; Constant nodes count as tensors. */
  readonly forward: ReadonlyMap<Node, Node>;
  readonly backward: ReadonlyMap<Node, Node>;
  /** Whether two values are the same computation of the same inputs, or matched nodes make them. */
  same(a: Value, b: Value): boolean;
}

interface Side {
  readonly graph: Graph;
  readonly nodes: readonly Node[];
  readonly signatures: ReadonlyMap<Node, string>;
  /** Fingerprints of tensors. */
  readonly prints: Map<Value, string>;
}

type Keys = ReadonlyMap<Node, number>;

export function matchGraphs(first: Graph, second: Graph): Matching {
  const a = sideOf(first);
  const b = sideOf(second);
  const forward = new Map<Node, Node>();
  const backward = new Map<Node, Node>();
  const fresh: [Node, Node][] = [];
  const join = (x: Node, y: Node) => {
    forward.set(x, y);
    backward.set(y, x);
    fresh.push([x, y]);
  };
  const free = ({ nodes }: Side) => nodes.filter((n) => !forward.has(n) && !backward.has(n));
  const identity = () =>
    new Map(
      [...forward].flatMap(([x, y], i) => [
        [x, -i - 1],
        [y, -i - 1],
      ]),
    );
  const pairUp = (keysA: Keys, keysB: Keys, sure: boolean) => {
    for (const [x, y] of pairsOf(free(a), free(b), keysA, keysB, sure)) join(x, y);
  };
  const spread = () => {
    for (let pair = fresh.pop(); pair; pair = fresh.pop()) {
      for (const [x, y] of neighbours(pair, a, b)) {
        if (!forward.has(x) && !backward.has(y)) join(x, y);
      }
    }
  };

  const intern = createInterner();
  const exact = [keysForward(a, intern, true), keysForward(b, intern, true)] as const;
  pairUp(...exact, true);
  pairUp(keysBackward(a, intern, true), keysBackward(b, intern, true), true);
  pairUp(keysOfWeights(a, intern), keysOfWeights(b, intern), false);
  spread();
  pairUp(keysOfNames(a, intern), keysOfNames(b, intern), false);
  spread();
  const known = identity();
  pairUp(keysForward(a, intern, false, known), keysForward(b, intern, false, known), true);
  const more = identity();
  pairUp(keysBackward(a, intern, false, more), keysBackward(b, intern, false, more), true);
  spread();

  const [keysA, keysB] = exact;
  return {
    forward,
    backward,
    same(x, y) {
      const [p, q] = [x.producer, y.producer];
      if (!p || !q) return !p && !q && x.name === y.name;
      if (x.producerIndex !== y.producerIndex) return false;
      return forward.get(p) === q || keysA.get(p) === keysB.get(q);
    },
  };
}

function sideOf(graph: Graph): Side {
  const nodes = graph.nodes.filter((node) => !isLeaf(node));
  const signatures = new Map(nodes.map((node) => [node, signatureOf(node)]));
  return { graph, nodes, signatures, prints: new Map() };
}

type Interner = (text: string) => number;

/** Equal texts, equal numbers: keys stay short however deep a graph is. */
function createInterner(): Interner {
  const known = new Map<string, number>();
  return (text) => {
    const number = known.get(text) ?? known.size;
    known.set(text, number);
    return number;
  };
}

function printOf(side: Side, value: Value, exact: boolean): string | null {
  const leaf = leafOf(value);
  if (!leaf) return null;
  if (!exact) return `${leaf.dtype}[${leaf.shape}]`;
  const known = side.prints.get(value) ?? fingerprint(leaf);
  side.prints.set(value, known);
  return known;
}

/** A node's key says all that leads to it. */
function keysForward(side: Side, intern: Interner, exact: boolean, known: Keys = new Map()): Keys {
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
      isCommutative(node) ? node.inputs.map(read).sort() : node.inputs.map(read);
    keys.set(node, match ?? intern(`>${side.signatures.get(node)}(${reads()})`));
  }
  return keys;
}

/** A node's key says all that it leads to, and the tensors met on the way. */
function keysBackward(side: Side, intern: Interner, exact: boolean, known: Keys = new Map()): Keys {
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
function keysOfWeights(side: Side, intern: Interner): Keys {
  const keys = new Map<Node, number>();
  for (const node of side.nodes) {
    const sizes = node.inputs.map((v) => v && leafOf(v)?.shape.reduce((n, d) => n * d, 1));
    if (!sizes.some((size) => (size ?? 0) >= tellingSize)) continue;
    const prints = operandsOf(node).map((value) => value && printOf(side, value, true));
    keys.set(node, intern(`w${side.signatures.get(node)}(${prints})`));
  }
  return keys;
}

function keysOfNames(side: Side, intern: Interner): Keys {
  const named = side.nodes.filter((node) => node.name !== "");
  return new Map(named.map((node) => [node, intern(`n${side.signatures.get(node)} ${node.name}`)]));
}

/**
 * Nodes of equal keys. Where several share one, those of one name go together and the rest in
 * order; unless `sure`, several that share a key are left alone.
 */
function* pairsOf(
  a: readonly Node[],
  b: readonly Node[],
  keysA: Keys,
  keysB: Keys,
  sure: boolean,
): Generator<[Node, Node]> {
  const theirs = bucketsOf(b, keysB);
  for (const [key, mine] of bucketsOf(a, keysA)) {
    const other = theirs.get(key);
    if (!other || (!sure && (mine.length > 1 || other.length > 1))) continue;
    const byName = new Map(other.map((node) => [node.name, node]));
    const rest: Node[] = [];
    const taken = new Set<Node>();
    for (const node of mine) {
      const namesake = byName.get(node.name);
      if (!namesake || taken.has(namesake)) rest.push(node);
      else {
        taken.add(namesake);
        yield [node, namesake];
      }
    }
    const left = other.filter((node) => !taken.has(node));
    for (let i = 0; i < Math.min(rest.length, left.length); i++) yield [rest[i]!, left[i]!];
  }
}

function bucketsOf(nodes: readonly Node[], keys: Keys): Map<number, Node[]> {
  const buckets = new Map<number, Node[]>();
  for (const node of nodes) {
    const key = keys.get(node);
    if (key === undefined) continue;
    const bucket = buckets.get(key);
    if (bucket) bucket.push(node);
    else buckets.set(key, [node]);
  }
  return buckets;
}

/** Around two nodes that match: producers at one place, and readers that are alike and alone. */
function* neighbours([x, y]: [Node, Node], a: Side, b: Side): Generator<[Node, Node]> {
  const theirs = operandsOf(y);
  for (const [i, value] of operandsOf(x).entries()) {
    const [p, q] = [value?.producer, theirs[i]?.producer];
    if (p && q && a.signatures.has(p) && a.signatures.get(p) === b.signatures.get(q)) yield [p, q];
  }
  for (const [i, value] of x.outputs.entries()) {
    const readers = readersOf(y.outputs[i] ?? null, b);
    for (const [key, [only, ...more]] of readersOf(value, a)) {
      const [match, ...others] = readers.get(key) ?? [];
      if (only && match && more.length === 0 && others.length === 0) yield [only, match];
    }
  }
}

/** Which input reads; 0 where their order means nothing. */
function portOf({ node, index }: Use): number {
  return isCommutative(node) ? 0 : index;
}

function readersOf(value: Value | null, side: Side): Map<string, Node[]> {
  const readers = new Map<string, Node[]>();
  for (const use of value?.uses ?? []) {
    const signature = side.signatures.get(use.node);
    if (signature === undefined) continue;
    const key = `${portOf(use)} ${signature}`;
    readers.set(key, [...(readers.get(key) ?? []), use.node]);
  }
  return readers;
}
