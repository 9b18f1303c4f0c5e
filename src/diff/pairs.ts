/** Which nodes go together, given keys, or given who their neighbours go with. */
import type { Node, Value } from "../ir/graph.ts";
import type { Keys } from "./keys.ts";
import { operandsOf, portOf } from "./signature.ts";

export type Pair = readonly [Node, Node];

/**
 * `named`: nodes of equal keys and names; `unique`: keys that one node on each side has; `all`:
 * equal names first, then the rest in order.
 */
export type Care = "named" | "unique" | "all";

/** Pairs of nodes with equal keys. */
export function* pairsOf(
  [a, b]: readonly [readonly Node[], readonly Node[]],
  [keysA, keysB]: readonly [Keys, Keys],
  care: Care,
): Generator<Pair> {
  const theirs = bucketsOf(b, keysB);
  for (const [key, mine] of bucketsOf(a, keysA)) {
    const other = theirs.get(key);
    if (!other) continue;
    if (care === "unique") {
      if (mine.length === 1 && other.length === 1) yield [mine[0]!, other[0]!];
      continue;
    }
    const { pairs, rest } = namesakes(mine, other);
    yield* pairs;
    if (care === "all") yield* rest;
  }
}

/** Nodes that share a name, and those left over, in order. */
function namesakes(mine: readonly Node[], other: readonly Node[]) {
  const byName = new Map(other.map((node) => [node.name, node]));
  const taken = new Set<Node>();
  const pairs: Pair[] = [];
  const left: Node[] = [];
  for (const node of mine) {
    const namesake = node.name === "" ? undefined : byName.get(node.name);
    if (!namesake || taken.has(namesake)) left.push(node);
    else {
      taken.add(namesake);
      pairs.push([node, namesake]);
    }
  }
  const spare = other.filter((node) => !taken.has(node));
  const rest = left.slice(0, spare.length).map((node, i): Pair => [node, spare[i]!]);
  return { pairs, rest };
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

/**
 * Around two nodes that match: producers in one place, and readers that no other is like.
 * @param kindOf nodes of one kind may match; undefined: taken already.
 */
export function* neighbours(
  [x, y]: Pair,
  kindOf: (node: Node) => string | undefined,
): Generator<Pair> {
  const theirs = operandsOf(y);
  for (const [i, value] of operandsOf(x).entries()) {
    const [p, q] = [value?.producer, theirs[i]?.producer];
    const kind = p && kindOf(p);
    if (p && q && kind !== undefined && kind === kindOf(q)) yield [p, q];
  }
  for (const [i, value] of x.outputs.entries()) {
    const readers = readersOf(y.outputs[i] ?? null, kindOf);
    for (const [key, [only, ...more]] of readersOf(value, kindOf)) {
      const [match, ...others] = readers.get(key) ?? [];
      if (only && match && more.length === 0 && others.length === 0) yield [only, match];
    }
  }
}

function readersOf(value: Value | null, kindOf: (node: Node) => string | undefined) {
  const readers = new Map<string, Node[]>();
  for (const use of value?.uses ?? []) {
    const kind = kindOf(use.node);
    if (kind === undefined) continue;
    const key = `${portOf(use)} ${kind}`;
    const alike = readers.get(key);
    if (alike) alike.push(use.node);
    else readers.set(key, [use.node]);
  }
  return readers;
}
