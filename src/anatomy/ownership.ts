/**
 * Who an operation works for. What lies on the way of a block or part is its own; what stands beside
 * (modulation, constants, tables) is too, where nobody else reads it.
 */
import type { Flow, Op, Wire } from "./flow.ts";

/**
 * @param core operations on the way, by owner.
 * @param barriers wires behind which nothing is taken: where blocks begin, what they attend to.
 */
export function ownersOf<T>(
  flow: Flow,
  core: ReadonlyMap<Op, T>,
  barriers: ReadonlySet<Wire>,
): Map<Op, T> {
  const owners = new Map<Op, T>(core);
  const outputs = new Set(flow.graph.outputs);
  for (let i = flow.ops.length - 1; i >= 0; i--) {
    const op = flow.ops[i]!;
    if (owners.has(op)) continue;
    const owner = readerOf(op, owners, barriers, outputs);
    if (owner !== undefined) owners.set(op, owner);
  }
  return owners;
}

function readerOf<T>(
  op: Op,
  owners: ReadonlyMap<Op, T>,
  barriers: ReadonlySet<Wire>,
  outputs: ReadonlySet<unknown>,
): T | undefined {
  let owner: T | undefined;
  for (const wire of op.outputs) {
    if (!wire) continue;
    if (barriers.has(wire) || (wire.value && outputs.has(wire.value))) return undefined;
    for (const reader of wire.uses) {
      const theirs = owners.get(reader);
      if (theirs === undefined || (owner !== undefined && owner !== theirs)) return undefined;
      owner = theirs;
    }
  }
  return owner;
}
