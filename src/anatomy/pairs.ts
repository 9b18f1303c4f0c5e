/** Blocks that run side by side: two runs of steps from one value, merged behind them. */
import type { Entry, Joint } from "./chains.ts";
import type { Op, Wire } from "./flow.ts";
import type { Step } from "./residual.ts";

/** How many steps a block may have, and how many operations its merge. */
const longestRun = 16;
const farthest = 64;

export interface Pair<S> {
  readonly heads: readonly [S, S];
  readonly ends: readonly [S, S];
}

/** Two runs of steps that start from one value and are merged, in the order of the merge. */
export function* pairsOf<S extends Step>(
  steps: readonly S[],
  entries: ReadonlyMap<S, Entry>,
  joints: ReadonlyMap<S, Joint<S>>,
): Iterable<Pair<S>> {
  const groups = grouped(steps, (step) => behindCasts(entries.get(step)!.wire));
  const followers = grouped([...joints.keys()], (step) => joints.get(step)!.from);
  for (const group of groups.values()) {
    const [a, b, ...more] = group;
    if (!a || !b || more.length > 0) continue;
    const [x, y] = [endOfRun(a, followers, joints), endOfRun(b, followers, joints)];
    const order = mergeOrder(x.y, y.y);
    if (order === 0) continue;
    const swapped = order < 0;
    yield swapped ? { heads: [b, a], ends: [y, x] } : { heads: [a, b], ends: [x, y] };
  }
}

/** What norms in float32 read of a stream is a cast of it, even where it has that type. */
export function behindCasts(wire: Wire): Wire {
  let at = wire;
  for (let op = at.from; op && casts.has(op.type) && op.data[0]; op = at.from) at = op.data[0];
  return at;
}

const casts = new Set(["Cast", "Identity"]);

function grouped<K, T>(items: readonly T[], keyOf: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}

/** Along direct and normed links, as far as exactly one step follows. */
function endOfRun<S extends Step>(
  head: S,
  followers: ReadonlyMap<S, readonly S[]>,
  joints: ReadonlyMap<S, Joint<S>>,
): S {
  let at = head;
  for (let i = 0; i < longestRun; i++) {
    const [next, ...more] = followers.get(at) ?? [];
    const kind = next && joints.get(next)!.link.kind;
    if (more.length > 0 || (kind !== "direct" && kind !== "norm" && kind !== "moved")) return at;
    at = next!;
  }
  return at;
}

/** 1 where `a` comes first in the operation that merges both, -1 where `b` does, 0 where none does. */
function mergeOrder(a: Wire, b: Wire): -1 | 0 | 1 {
  const [fromA, fromB] = [mergersOf(a), mergersOf(b)];
  for (const [op, wire] of fromA) {
    const other = fromB.get(op);
    if (!other) continue;
    return op.inputs.indexOf(wire) < op.inputs.indexOf(other) ? 1 : -1;
  }
  return 0;
}

/** The operations shortly behind a wire, each with the input that leads back to it. */
function mergersOf(start: Wire): Map<Op, Wire> {
  const found = new Map<Op, Wire>();
  const open = [start];
  for (let wire = open.shift(); wire && found.size < farthest; wire = open.shift()) {
    for (const op of wire.uses) {
      if (found.has(op) || !op.data.includes(wire)) continue;
      found.set(op, wire);
      for (const output of op.outputs) if (output) open.push(output);
    }
  }
  return found;
}
