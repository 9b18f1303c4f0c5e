/**
 * Steps in a row: each starts where another ended, directly, behind a norm (post-norm blocks), behind
 * a reshuffling of the same elements, or joined by an earlier point of the row (long skips).
 */
import type { Findings } from "./branch.ts";
import type { Constants } from "./constants.ts";
import { normsAmong } from "./end-norms.ts";
import { type Flow, levelOf, type Op, type Wire } from "./flow.ts";
import { isWhole, keepsOrder, keepsStream, turnsBatch } from "./moves.ts";
import type { NormMatch } from "./norms.ts";
import { behindCasts, type Pair, pairsOf } from "./pairs.ts";
import { regionBetween, type Segment, segmentsOf } from "./region.ts";
import type { Step } from "./residual.ts";

/** What lies between the end of a step and the start of the next one; `turned`: tokens change places with the batch. */
export interface Link {
  readonly kind: "direct" | "norm" | "moved" | "turned" | "skip" | "pair";
  readonly ops: readonly Op[];
  readonly norms: readonly NormMatch[];
  /** Earlier points of the stream that come in here. */
  readonly skips: readonly Wire[];
}

export interface ChainItem<S extends Step> {
  readonly step: S;
  /** From the item before; null for the first. */
  readonly link: Link | null;
  /** The value that the run before it starts from too, where both run side by side. */
  readonly beside: Wire | null;
}

export type Chain<S extends Step> = readonly ChainItem<S>[];

/** How many operations may lie between two steps of a row. */
const farthest = 64;

interface Arrival<S> {
  /** Steps whose ends reach a start with no other point of a stream between. */
  readonly hits: ReadonlySet<S>;
  /** Other points that do: where steps start behind a norm or a merge. */
  readonly points: ReadonlySet<Wire>;
  readonly ops: readonly Op[];
}

export function chainsOf<S extends Step>(
  flow: Flow,
  steps: readonly S[],
  findings: Findings,
): Chain<S>[] {
  const byEnd = new Map(steps.map((step) => [step.y, step]));
  const starts = new Set(steps.map((step) => step.x));
  const after = descendants(flow, new Set([...starts, ...byEnd.keys()]));
  const arrivals = new Map(
    steps.map((step) => [step, arrivalOf(step.x, { byEnd, starts, after })] as const),
  );
  const joints = new Map<S, Joint<S>>();
  for (const step of steps) {
    const arrival = arrivals.get(step)!;
    const from = latest(arrival.hits);
    const link = from && linkBetween(from, step, arrival, findings);
    if (link) joints.set(step, { from, link, beside: null });
  }
  const entries = new Map(steps.map((step) => [step, entryOf(step, arrivals.get(step)!)] as const));
  for (const [step, entry] of offsetEntries(steps, arrivals)) entries.set(step, entry);
  for (const pair of pairsOf(steps, entries, joints)) joinPair(pair, { joints, entries, arrivals });
  return rows(steps, joints);
}

/** How a step is joined to the one before it. */
export interface Joint<S> {
  readonly from: S;
  readonly link: Link;
  readonly beside: Wire | null;
}

/** Where a step's stream comes in, and what stands between that and its own start. */
export interface Entry {
  readonly wire: Wire;
  readonly lead: Link;
}

const paired: Link = { kind: "pair", ops: [], norms: [], skips: [] };

/** Cut and joined tokens, an offset, or a long skip may stand before a step. */
function entryOf<S extends Step>(step: S, { hits, points, ops }: Arrival<S>): Entry {
  const [only, ...others] = [...points, ...[...hits].map((hit) => hit.y)];
  if (only && others.length === 0 && sameShape(only, step.x) && keepsStream(ops, only)) {
    return { wire: only, lead: { kind: "moved", ops, norms: [], skips: [] } };
  }
  const [point, ...more] = points;
  const lead = { ops, norms: [], skips: [...hits].map((hit) => hit.y) };
  const last = point && [...hits].every((hit) => hit.add.level < levelOf(point));
  if (!last || more.length > 0 || !sameShape(point, step.x)) return { wire: step.x, lead: paired };
  const skips = hits.size > 0 && joinsFeatures(ops);
  return skips ? { wire: point, lead: { ...lead, kind: "skip" } } : { wire: step.x, lead: paired };
}

/** Steps that nothing precedes, each behind an offset of its own: they start before that. */
function* offsetEntries<S extends Step>(
  steps: readonly S[],
  arrivals: ReadonlyMap<S, Arrival<S>>,
): Iterable<readonly [S, Entry]> {
  for (const step of steps) {
    const { hits, points } = arrivals.get(step)!;
    const op = step.x.from;
    const [wire, ...more] = op?.data ?? [];
    if (hits.size + points.size > 0 || op?.type !== "Add" || !wire || more.length > 0) continue;
    if (steps.some((other) => other !== step && other.x === step.x)) continue;
    yield [step, { wire, lead: { kind: "moved", ops: [op], norms: [], skips: [] } }];
  }
}

interface Rows<S> {
  readonly joints: Map<S, Joint<S>>;
  readonly entries: ReadonlyMap<S, Entry>;
  readonly arrivals: ReadonlyMap<S, Arrival<S>>;
}

/** The second run follows the first; whatever both of them end in follows the second. */
function joinPair<S extends Step>(
  { heads: [first, second], ends }: Pair<S>,
  { joints, entries, arrivals }: Rows<S>,
): void {
  const [a, b] = [entries.get(first)!, entries.get(second)!];
  const before = joints.get(second);
  if (before && !joints.has(first)) joints.set(first, { ...before, link: a.lead });
  joints.set(second, { from: ends[0], link: b.lead, beside: b.wire });
  // What both start from may come into their merge, too.
  const start = behindCasts(a.wire);
  const within = (hit: S) => ends.includes(hit) || behindCasts(hit.y) === start;
  for (const [step, { hits, ops }] of arrivals) {
    const merged = ends.every((end) => hits.has(end)) && [...hits].every(within);
    if (!merged || joints.get(step)?.beside || !sameShape(a.wire, step.x)) continue;
    joints.set(step, { from: ends[1], link: { ...paired, ops }, beside: null });
  }
}

/** Rows of joined steps; of several that follow one step the first goes on with it. */
function rows<S extends Step>(steps: readonly S[], joints: ReadonlyMap<S, Joint<S>>): Chain<S>[] {
  const next = new Map<S, S>();
  for (const step of steps) {
    const joint = joints.get(step);
    if (joint && !next.has(joint.from)) next.set(joint.from, step);
  }
  const followers = new Set(next.values());
  return steps
    .filter((step) => !followers.has(step))
    .map((head) => {
      const chain: ChainItem<S>[] = [{ step: head, link: null, beside: null }];
      for (let step = next.get(head); step; step = next.get(step)) {
        const { link, beside } = joints.get(step)!;
        chain.push({ step, link, beside });
      }
      return chain;
    });
}

/** Operations that depend on some point of a stream. */
function descendants(flow: Flow, points: ReadonlySet<Wire>): Set<Op> {
  const after = new Set<Op>();
  for (const op of flow.ops) {
    const reads = op.data.some((wire) => points.has(wire) || (wire.from && after.has(wire.from)));
    if (reads) after.add(op);
  }
  return after;
}

interface Points<S> {
  readonly byEnd: ReadonlyMap<Wire, S>;
  readonly starts: ReadonlySet<Wire>;
  readonly after: ReadonlySet<Op>;
}

function arrivalOf<S extends Step>(start: Wire, { byEnd, starts, after }: Points<S>): Arrival<S> {
  const hits = new Set<S>();
  const points = new Set<Wire>();
  const ops = new Set<Op>();
  const open = [start];
  for (let wire = open.pop(); wire; wire = open.pop()) {
    const step = byEnd.get(wire);
    if (step) hits.add(step);
    else if (wire !== start && starts.has(wire)) points.add(wire);
    else if (wire.from && after.has(wire.from) && !ops.has(wire.from)) {
      if (ops.size >= farthest) return { hits: new Set(), points, ops: [] };
      ops.add(wire.from);
      open.push(...wire.from.data.toReversed());
    }
  }
  return { hits, points, ops: [...ops].sort((a, b) => a.id - b.id) };
}

function latest<S extends Step>(hits: ReadonlySet<S>): S | undefined {
  return [...hits].sort((a, b) => b.add.level - a.add.level)[0];
}

function sameWidth(a: Wire, b: Wire): boolean {
  const [left, right] = [a.value?.type?.shape?.at(-1), b.value?.type?.shape?.at(-1)];
  return left === undefined || right === undefined || left === right;
}

function linkBetween<S extends Step>(
  from: S,
  to: S,
  { hits, points, ops }: Arrival<S>,
  findings: Findings,
): Link | null {
  if (ops.length === 0) return { kind: "direct", ops, norms: [], skips: [] };
  const region = regionBetween(from.y, to.x);
  if (!region) return null;
  if (hits.size === 1 && keepsOrder(ops) && sameWidth(from.y, to.x)) {
    return { kind: "moved", ops, norms: [], skips: [] };
  }
  if (hits.size + points.size === 1 && turnsBatch(from.y, to.x, ops, findings.constants)) {
    return { kind: "turned", ops, norms: [], skips: [] };
  }
  if (!sameShape(from.y, to.x)) return null;
  // What came in last is the stream; where that is no end of a step, this is another way in.
  if ([...points].some((point) => levelOf(point) > from.add.level)) return null;
  if (hits.size + points.size > 1) {
    const others = [...hits].filter((step) => step !== from).map((step) => step.y);
    const skips = [...others, ...points];
    const norms = normsAmong(segmentsOf(region), findings);
    // Tokens that each block chooses for itself are no stream that runs from one to the next.
    if (ops.some((op) => chooses.test(op.type))) return null;
    return joinsFeatures(region.ops) ? { kind: "skip", ops, norms, skips } : null;
  }
  const segments = segmentsOf(region);
  const norms = normsAmong(segments, findings);
  if (norms.length === 0) {
    return keepsStream(ops, from.y) ? { kind: "moved", ops, norms, skips: [] } : null;
  }
  const plain = segments.every(
    (segment) =>
      norms.some((norm) => segment.ops.every((op) => norm.ops.includes(op))) ||
      isPlain(segment, findings.constants),
  );
  return plain ? { kind: "norm", ops, norms, skips: [] } : null;
}

const chooses = /^(TopK|ArgMax|ArgMin|NonZero|Scatter\w*)$/;

/** Casts, constant factors and offsets from the side keep a stream what it is; so does a cut of all of it. */
function isPlain({ from, ops, to }: Segment, constants: Constants): boolean {
  const [first] = ops;
  if (ops.length === 1 && first?.type === "Slice") return isWhole(first, from, to, constants);
  return ops.every((op) => ["Cast", "Identity", "Mul", "Add", "Div", "Where"].includes(op.type));
}

/** An earlier point comes in by an Add, or by a Concat of features. */
function joinsFeatures(ops: readonly Op[]): boolean {
  return ops.some((op) => {
    const rank = op.outputs[0]?.value?.type?.shape?.length;
    const axis = op.node.int("axis");
    return op.type === "Add" || (op.type === "Concat" && (axis === -1 || axis === (rank ?? 3) - 1));
  });
}

function sameShape(a: Wire, b: Wire): boolean {
  const [left, right] = [a.value?.type?.shape, b.value?.type?.shape];
  if (!left || !right) return true;
  if (left.length !== right.length) return false;
  return left.every((dim, i) => {
    const other = right[i];
    return typeof dim !== "number" || typeof other !== "number" || dim === other;
  });
}
