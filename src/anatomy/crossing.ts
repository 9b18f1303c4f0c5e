/** Sums inside of branches that are ends of other steps: what runs through them is not the branch's. */
import type { Op, Wire } from "./flow.ts";
import { type Region, regionBetween } from "./region.ts";
import type { Step } from "./residual.ts";

/**
 * What comes into the branch of an earlier step from its side, or starts in it, and leaves it by its
 * sum is no stream: one branch hands it to another, as the first block does its values. Where another
 * way leads to the end, that is the branch: of two streams one attends to what the other made of it.
 */
export function withoutCrossing(candidates: readonly Step[], weighs: (op: Op) => boolean): Step[] {
  const kept: Step[] = [];
  const ends = new Set<Wire>();
  return candidates.flatMap((candidate) => {
    const step = around(candidate, kept, weighs);
    if (!step) return [];
    if (!endsInStream(step, ends, weighs)) kept.push(step);
    ends.add(step.y);
    return step;
  });
}

function crosses({ add, x }: Step, step: Step): boolean {
  return has(step, add) && x !== step.x && !(x.from && has(step, x.from));
}

function has({ regions }: Step, op: Op): boolean {
  return regions.some((region) => region.has.has(op));
}

/** The step without what runs through others' sums; null where nothing is left that weighs. */
function around(step: Step, kept: readonly Step[], weighs: (op: Op) => boolean): Step | null {
  const crossed = kept.filter((other) => crosses(other, step));
  if (crossed.length === 0) return step;
  const sums = new Set(crossed.map(({ add }) => add));
  const regions = step.regions.flatMap((region) => past(region, sums) ?? []);
  const weighted = regions.some(({ ops }) => ops.some(weighs));
  // What came from another sum that is crossed comes from the side now.
  return weighted ? around({ ...step, regions }, kept, weighs) : null;
}

/** The ways from a region's start to its end that lead through none of these. */
function past(region: Region, others: ReadonlySet<Op>): Region | null {
  const { from, to } = region;
  const above = new Set<Op>(to.from ? [to.from] : []);
  for (const op of [...region.ops].reverse()) {
    if (!above.has(op)) continue;
    for (const wire of op.data) {
      if (wire !== from && wire.from && !others.has(wire.from)) above.add(wire.from);
    }
  }
  const below = new Set<Op>();
  for (const op of region.ops) {
    const reads = op.data.some((wire) => wire === from || (wire.from && below.has(wire.from)));
    if (reads && above.has(op)) below.add(op);
  }
  return to.from && below.has(to.from) ? { from, to, ops: [...below], has: below } : null;
}

/**
 * An earlier point of the stream may be added to a later one in front of a branch: to the end of a
 * step, or to a norm of it.
 */
function endsInStream(
  { regions, terms }: Step,
  ends: ReadonlySet<Wire>,
  weighs: (op: Op) => boolean,
): boolean {
  if (terms.some((term) => ends.has(term))) return true;
  return regions.some(({ ops, to }) => {
    const last = ops.findLast(({ outputs }) => outputs.some((wire) => wire && ends.has(wire)));
    const rest = last && regionBetween(last.outputs[0]!, to);
    return rest?.ops.every((op) => !weighs(op)) ?? false;
  });
}
