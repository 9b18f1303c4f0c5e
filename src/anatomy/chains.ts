/**
 * Steps in a row: each starts where another ended, directly, behind a norm (post-norm blocks), behind
 * a reshuffling of the same elements, or joined by an earlier point of the row (long skips).
 */
import type { Findings } from "./branch.ts";
import type { Flow, Op, Wire } from "./flow.ts";
import { matchNorm, type NormMatch } from "./norms.ts";
import { regionBetween, type Segment, segmentsOf } from "./region.ts";
import type { Step } from "./residual.ts";

/** What lies between the end of a step and the start of the next one. */
export interface Link {
  readonly kind: "direct" | "norm" | "moved" | "skip" | "pair";
  readonly ops: readonly Op[];
  readonly norms: readonly NormMatch[];
  /** Earlier points of the stream that come in here. */
  readonly skips: readonly Wire[];
}

export interface ChainItem<S extends Step> {
  readonly step: S;
  /** From the item before; null for the first. */
  readonly link: Link | null;
  /** Starts from the same value as the run before it and is merged with that run's end. */
  readonly beside: boolean;
}

export type Chain<S extends Step> = readonly ChainItem<S>[];

/** How many operations may lie between two steps of a row, and how many steps a block may have. */
const farthest = 64;
const longestRun = 16;

interface Arrival<S> {
  readonly hits: ReadonlySet<S>;
  readonly ops: readonly Op[];
}

export function chainsOf<S extends Step>(
  flow: Flow,
  steps: readonly S[],
  findings: Findings,
): Chain<S>[] {
  const byEnd = new Map(steps.map((step) => [step.y, step]));
  const after = descendants(flow, byEnd);
  const arrivals = new Map(steps.map((step) => [step, arrivalOf(step.x, byEnd, after)]));
  const forks = forksOf(steps);
  const pred = new Map<S, { from: S; link: Link; beside: boolean }>();
  const taken = new Set<S>();
  const link = (step: S, from: S, how: Link, beside = false) => {
    pred.set(step, { from, link: how, beside });
    taken.add(from);
  };
  for (const step of steps) {
    const { hits, ops } = arrivals.get(step)!;
    const pair = hits.size > 1 ? pairAmong(hits, arrivals, forks) : null;
    if (pair) {
      const [first, second] = pair;
      const start = headOf(second, pred);
      pred.delete(start);
      link(start, first, { kind: "pair", ops: [], norms: [], skips: [] }, true);
      link(step, second, { kind: "pair", ops, norms: [], skips: [] });
      continue;
    }
    const from = latest(hits);
    const how = from && linkBetween(from, step, arrivals.get(step)!, findings);
    if (how && !taken.has(from)) link(step, from, how);
  }
  return rows(steps, pred);
}

function rows<S extends Step>(
  steps: readonly S[],
  pred: ReadonlyMap<S, { from: S; link: Link; beside: boolean }>,
): Chain<S>[] {
  const next = new Map([...pred].map(([step, { from }]) => [from, step]));
  return steps
    .filter((step) => !pred.has(step))
    .map((head) => {
      const chain: ChainItem<S>[] = [];
      for (let step: S | undefined = head; step; step = next.get(step)) {
        const before = pred.get(step);
        chain.push({ step, link: before?.link ?? null, beside: before?.beside ?? false });
      }
      return chain;
    });
}

/** Operations that depend on the end of some step. */
function descendants<S extends Step>(flow: Flow, byEnd: ReadonlyMap<Wire, S>): Set<Op> {
  const after = new Set<Op>();
  for (const op of flow.ops) {
    if (op.data.some((wire) => byEnd.has(wire) || (wire.from && after.has(wire.from))))
      after.add(op);
  }
  return after;
}

function arrivalOf<S extends Step>(
  start: Wire,
  byEnd: ReadonlyMap<Wire, S>,
  after: ReadonlySet<Op>,
): Arrival<S> {
  const hits = new Set<S>();
  const ops = new Set<Op>();
  const open = [start];
  for (let wire = open.pop(); wire; wire = open.pop()) {
    const step = byEnd.get(wire);
    if (step) hits.add(step);
    else if (wire.from && after.has(wire.from) && !ops.has(wire.from)) {
      if (ops.size >= farthest) return { hits: new Set(), ops: [] };
      ops.add(wire.from);
      open.push(...wire.from.data.toReversed());
    }
  }
  return { hits, ops: [...ops].sort((a, b) => a.id - b.id) };
}

function latest<S extends Step>(hits: ReadonlySet<S>): S | undefined {
  return [...hits].sort((a, b) => b.add.level - a.add.level)[0];
}

/** Tokens and batch may be one axis for a while. */
const reshapes = new Set(["Reshape", "Flatten", "Squeeze", "Unsqueeze", "Cast", "Identity"]);

function sameWidth(a: Wire, b: Wire): boolean {
  const [left, right] = [a.value?.type?.shape?.at(-1), b.value?.type?.shape?.at(-1)];
  return left === undefined || right === undefined || left === right;
}

const movers = new Set([
  "Slice",
  "Split",
  "Concat",
  "Reshape",
  "Transpose",
  "Squeeze",
  "Unsqueeze",
  "Gather",
  "Cast",
  "Identity",
]);

function linkBetween<S extends Step>(
  from: S,
  to: S,
  { hits, ops }: Arrival<S>,
  findings: Findings,
): Link | null {
  if (ops.length === 0) return { kind: "direct", ops, norms: [], skips: [] };
  const region = regionBetween(from.y, to.x);
  if (!region) return null;
  if (hits.size === 1 && ops.every((op) => reshapes.has(op.type)) && sameWidth(from.y, to.x)) {
    return { kind: "moved", ops, norms: [], skips: [] };
  }
  if (!sameShape(from.y, to.x)) return null;
  if (hits.size > 1) {
    const skips = [...hits].filter((step) => step !== from).map((step) => step.y);
    const norms = normsAmong(segmentsOf(region), findings);
    return joinsFeatures(region.ops) ? { kind: "skip", ops, norms, skips } : null;
  }
  if (ops.every((op) => movers.has(op.type))) return { kind: "moved", ops, norms: [], skips: [] };
  const segments = segmentsOf(region);
  const norms = normsAmong(segments, findings);
  const covered = norms.reduce((sum, norm) => sum + norm.ops.length, 0);
  const plain = segments.every(
    (segment) =>
      norms.some((norm) => segment.ops.every((op) => norm.ops.includes(op))) || isPlain(segment),
  );
  return covered > 0 && plain ? { kind: "norm", ops, norms, skips: [] } : null;
}

/** Casts, constant factors and offsets from the side keep a stream what it is. */
function isPlain({ ops }: Segment): boolean {
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

function normsAmong(segments: readonly Segment[], { constants }: Findings): NormMatch[] {
  const norms: NormMatch[] = [];
  for (let i = 0; i < segments.length; ) {
    const norm = matchNorm(segments, i, constants);
    if (norm) norms.push(norm);
    i += norm?.length ?? 1;
  }
  return norms;
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

/** Values that several steps start from. */
function forksOf<S extends Step>(steps: readonly S[]): Set<Wire> {
  const seen = new Set<Wire>();
  const forks = new Set<Wire>();
  for (const { x } of steps) (seen.has(x) ? forks : seen).add(x);
  return forks;
}

/** Two runs that start from one value and end here, in the order in which they are merged. */
function pairAmong<S extends Step>(
  hits: ReadonlySet<S>,
  arrivals: ReadonlyMap<S, Arrival<S>>,
  forks: ReadonlySet<Wire>,
): readonly [S, S] | null {
  const starts = [...hits].map((hit) => [hit, runStart(hit, arrivals, forks)] as const);
  for (const [a, x] of starts) {
    for (const [b, y] of starts) {
      if (x && y && x !== y && x.x === y.x) return [a, b];
    }
  }
  return null;
}

/** Back along direct links to the step that shares its start with another one. */
function runStart<S extends Step>(
  step: S,
  arrivals: ReadonlyMap<S, Arrival<S>>,
  forks: ReadonlySet<Wire>,
): S | null {
  let at: S | undefined = step;
  for (let i = 0; at && i < longestRun; i++) {
    if (forks.has(at.x)) return at;
    const arrival: Arrival<S> = arrivals.get(at)!;
    if (arrival.hits.size !== 1 || arrival.ops.length > 0) return null;
    [at] = arrival.hits;
  }
  return null;
}

function headOf<S extends Step>(step: S, pred: ReadonlyMap<S, { from: S }>): S {
  let at = step;
  for (let before = pred.get(at); before; before = pred.get(at)) at = before.from;
  return at;
}
