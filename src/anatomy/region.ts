/**
 * What lies between two wires: the operations on the data paths from one to the other, and the cuts,
 * the wires that every path crosses. Cuts put a branch into a canonical order, whatever the order of
 * nodes and whatever enters from the side.
 */
import { levelOf, type Op, type Wire } from "./flow.ts";

export interface Region {
  readonly from: Wire;
  readonly to: Wire;
  /** On a path from `from` to `to`, in topological order. */
  readonly ops: readonly Op[];
  readonly has: ReadonlySet<Op>;
}

/** A stretch between neighbouring cuts. */
export interface Segment {
  readonly from: Wire;
  readonly to: Wire;
  readonly ops: readonly Op[];
}

/**
 * The region, or null where no data path leads from `from` to `to`. Only operations that must run
 * after `from` and before `to` are visited.
 */
export function regionBetween(from: Wire, to: Wire): Region | null {
  const floor = levelOf(from);
  if (!to.from || to === from || to.from.level <= floor) return null;
  const above = new Set<Op>([to.from]);
  const open = [to.from];
  for (let op = open.pop(); op; op = open.pop()) {
    for (const wire of op.data) {
      const source = wire.from;
      if (!source || wire === from || source.level <= floor || above.has(source)) continue;
      above.add(source);
      open.push(source);
    }
  }
  const below = new Set<Op>();
  const ops: Op[] = [];
  for (const op of [...above].sort((a, b) => a.id - b.id)) {
    if (!op.data.some((wire) => wire === from || (wire.from && below.has(wire.from)))) continue;
    below.add(op);
    ops.push(op);
  }
  return below.has(to.from) ? { from, to, ops, has: below } : null;
}

/** The region cut at every wire that all of its paths cross, first to last. */
export function segmentsOf(region: Region): Segment[] {
  const { ops, has, from, to } = region;
  const remaining = new Map<Wire, number>();
  const readersOf = (wire: Wire) => wire.uses.filter((op) => has.has(op) && op.data.includes(wire));
  const segments: Segment[] = [];
  let open = 1;
  let start = from;
  let since: Op[] = [];
  remaining.set(from, readersOf(from).length);
  for (const op of ops) {
    since.push(op);
    for (const wire of op.data) {
      const left = remaining.get(wire);
      if (left === undefined) continue;
      remaining.set(wire, left - 1);
      if (left === 1) open--;
    }
    let made: Wire | null = null;
    for (const wire of op.outputs) {
      if (!wire) continue;
      const readers = wire === to ? 1 : readersOf(wire).length;
      if (readers === 0) continue;
      remaining.set(wire, readers);
      open++;
      made = wire;
    }
    if (open === 1 && made && remaining.get(made)! > 0) {
      segments.push({ from: start, to: made, ops: since });
      start = made;
      since = [];
    }
  }
  return segments;
}
