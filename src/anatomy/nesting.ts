/** Residual steps inside of others: which of them are steps of the stream. */
import { withoutCrossing } from "./crossing.ts";
import { levelOf, type Op } from "./flow.ts";
import type { Linears } from "./linears.ts";
import { type Region, regionBetween } from "./region.ts";
import type { Step, Steps } from "./residual.ts";

export interface Marks {
  readonly kernels: ReadonlySet<Op>;
  readonly linears: Linears;
  readonly weighs: (op: Op) => boolean;
}

/**
 * Steps may lie inside of others. The outer one is no step of a block if an inner one starts from the
 * same value (a long skip over steps), or if all of its attention is in inner ones (a residual around
 * a stack). Otherwise the inner one belongs to the branch (an adapter, queries that are added to what
 * they found) and is dropped.
 */
export function sortOut(all: readonly Step[], { kernels, linears, weighs }: Marks): Steps {
  const candidates = withoutCrossing(withoutTwins(all), weighs);
  const byAdd = new Map(candidates.map((step) => [step.add, step]));
  const outer = new Set<Step>();
  const dropped = new Set<Step>();
  const nested = new Map<Step, Step>();
  const opsOf = (step: Step) => step.regions.flatMap((region) => region.ops);
  const size = (step: Step) => step.regions.reduce((sum, region) => sum + region.ops.length, 0);
  // An attention whose projections all lie outside is no branch by itself.
  const projects = (step: Step) => opsOf(step).some((op) => !kernels.has(op) && weighs(op));
  for (const step of [...candidates].sort((a, b) => size(a) - size(b))) {
    const own = new Set(opsOf(step));
    const inner = [...own]
      .flatMap((op) => byAdd.get(op) ?? [])
      .filter((s) => s !== step && !dropped.has(s));
    if (inner.length === 0) continue;
    const inside = new Set(inner.filter(projects).flatMap(opsOf));
    const attention = [...own].filter((op) => kernels.has(op));
    const covered = attention.length > 0 && attention.every((op) => inside.has(op));
    const around = covered && !isInBranch(inner, step, linears);
    const halves = inner.length === 1 ? halvesOf(step, inner[0]!, linears) : null;
    const isFirst = halves && mapsIn(halves[0].regions[0]!, linears) > 1 && attention.length > 0;
    if (around || isFirst || inner.some((s) => s.x === step.x)) {
      if (halves) nested.set(inner[0]!, halves[0]).set(step, halves[1]);
      else outer.add(step);
    } else for (const s of inner) dropped.add(s);
  }
  const steps = candidates
    .filter((step) => !outer.has(step) && !dropped.has(step))
    .map((step) => nested.get(step) ?? step);
  const starts = new Set(
    steps.flatMap(({ x, regions }) => regions.flatMap(({ from }) => (from === x ? [] : from))),
  );
  return {
    steps: steps.filter(({ y }) => !starts.has(y)),
    outer: [...outer].filter((step) => !dropped.has(step)),
  };
}

/** Where one branch is added to two streams, its own is the one that it starts from. */
function withoutTwins(candidates: readonly Step[]): Step[] {
  const byTerms = new Map<string, Step>();
  const keyOf = ({ terms }: Step) => terms.map(({ id }) => id).join();
  for (const step of candidates) {
    const twin = byTerms.get(keyOf(step));
    if (!twin || isNearer(step, twin)) byTerms.set(keyOf(step), step);
  }
  return candidates.filter((step) => byTerms.get(keyOf(step)) === step);
}

function isNearer(a: Step, b: Step): boolean {
  if (a.x !== b.x) return levelOf(a.x) > levelOf(b.x);
  return a.add.level < b.add.level;
}

/**
 * x + g(u + f(u)) with u = norm(x), where g projects once, or reads f(u) beside the sum, too: u is no
 * stream but the branch's own.
 */
function isInBranch(inner: readonly Step[], step: Step, linears: Linears): boolean {
  const [only, ...others] = inner;
  const [term] = step.terms;
  if (!only || others.length > 0 || only.x === step.x || step.terms.length !== 1) return false;
  if (isReadBeside(only, step)) return true;
  const [before, behind] = [regionBetween(step.x, only.x), regionBetween(only.y, term!)];
  return mapsIn(before, linears) === 0 && mapsIn(behind, linears) === 1;
}

/** Whether a branch reads what an inner one makes, and not its sum alone. */
function isReadBeside(inner: Step, step: Step): boolean {
  const made = (op: Op | null) => op !== null && inner.regions.some(({ has }) => has.has(op));
  return step.regions.some(({ ops }) =>
    ops.some((op) => op !== inner.add && !made(op) && op.data.some(({ from }) => made(from))),
  );
}

/** How many projections lie there. */
function mapsIn(region: Region | null, { byOp }: Linears): number {
  return new Set(region?.ops.flatMap((op) => byOp.get(op) ?? [])).size;
}

/**
 * x + g(u + f(u)) with projections of its own in g, where u is the stream or a norm of it: two steps,
 * the second of which starts where the first one ends. So are x + u + g(u) with u = norm(x + f(x)).
 */
function halvesOf(step: Step, inner: Step, linears: Linears): [Step, Step] | null {
  const [region, own, ...more] = step.regions;
  if (own) {
    const [start, ends] = [own.from, own.from === region!.to && inner.x === step.x];
    const plain = ends && mapsIn(regionBetween(inner.y, start), linears) === 0;
    if (!plain || more.length > 0) return null;
    return [inner, { ...step, x: start, regions: [own] }];
  }
  const rest = regionBetween(inner.y, region!.to);
  if (!rest || mapsIn(rest, linears) < 2) return null;
  const second = { ...step, x: inner.y, regions: [rest] };
  if (inner.x === step.x) return [inner, second];
  if (mapsIn(regionBetween(step.x, inner.x), linears) > 0) return null;
  const regions = inner.terms.flatMap((end) => regionBetween(step.x, end) ?? []);
  return [{ ...inner, x: step.x, skip: inner.x, regions }, second];
}
