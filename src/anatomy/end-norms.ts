/** Norms behind the sum that ends a step, where blocks norm their stream and not their branches. */
import type { Findings } from "./branch.ts";
import type { Constants } from "./constants.ts";
import type { Op, Wire } from "./flow.ts";
import { affineOperand, matchNorm, type NormMatch, widthOf } from "./norms.ts";
import { regionBetween, type Segment, segmentsOf } from "./region.ts";

/** How many values a norm that exporters took apart may have. */
const longestNorm = 48;

/** The norms on the way from one step to the next. */
export function normsAmong(segments: readonly Segment[], { constants }: Findings): NormMatch[] {
  const norms: NormMatch[] = [];
  for (let i = 0; i < segments.length; ) {
    const norm = matchEnd(segments, i, constants);
    if (norm) norms.push(norm);
    i += norm?.length ?? 1;
  }
  return norms;
}

/** The norm that reads the last sum of a stack. */
export function normAfter(sum: Wire, { constants, linears }: Findings): NormMatch | null {
  const seen = new Set<Op>();
  const open = [...sum.uses];
  const ends: Wire[] = [];
  for (let op = open.shift(); op && seen.size < longestNorm; op = open.shift()) {
    if (seen.has(op)) continue;
    seen.add(op);
    for (const wire of op.outputs) {
      if (!wire) continue;
      const read = wire.uses.some((reader) => linears.byOp.has(reader) || reader.type === "Gather");
      if (read || wire.uses.length === 0) ends.push(wire);
      else open.push(...wire.uses);
    }
  }
  for (const end of ends) {
    const region = regionBetween(sum, end);
    const norm = region && matchEnd(segmentsOf(region), 0, constants);
    if (norm) return norm;
  }
  return null;
}

/** The norm that ends in `wire`. */
export function normBefore(wire: Wire, { constants }: Findings): NormMatch | null {
  const open = [wire];
  const seen = new Set(open);
  for (let start = open.shift(); start && seen.size < longestNorm; start = open.shift()) {
    const region = regionBetween(start, wire);
    const segments = region ? segmentsOf(region) : [];
    const norm = region && matchEnd(segments, 0, constants);
    if (norm?.to === wire) return norm;
    for (const source of start.from?.data ?? []) {
      if (!seen.has(source)) open.push(source);
      seen.add(source);
    }
  }
  return null;
}

function matchEnd(
  segments: readonly Segment[],
  at: number,
  constants: Constants,
): NormMatch | null {
  return matchNorm(segments, at, constants) ?? matchAffine(segments, at, constants);
}

/** w y + b of every feature stands where a norm would: MobileBERT's norm without statistics. */
function matchAffine(
  segments: readonly Segment[],
  at: number,
  constants: Constants,
): NormMatch | null {
  const taken = segments.slice(at, at + 2);
  const [scaling, shifting] = taken;
  if (!scaling || !shifting) return null;
  const width = widthOf(scaling.from);
  const weight = affineOperand(scaling, "Mul", width, constants);
  const bias = weight && affineOperand(shifting, "Add", width, constants);
  if (!bias) return null;
  return {
    length: taken.length,
    host: { kind: "norm", norm: "other", weight, bias, epsilon: null },
    ops: taken.flatMap((segment) => segment.ops),
    from: scaling.from,
    to: shifting.to,
  };
}
