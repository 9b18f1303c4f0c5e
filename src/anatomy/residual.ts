/**
 * Residual steps: y = x + f(x), found as sums of which one term is an ancestor of the others and a
 * weighted branch lies between. Nothing here looks at names.
 */
import type { Constants } from "./constants.ts";
import type { Core } from "./cores.ts";
import { type Flow, levelOf, type Op, type Wire } from "./flow.ts";
import { graftedBlock, isGrafted } from "./grafted.ts";
import type { Linears } from "./linears.ts";
import { type Region, regionBetween } from "./region.ts";

export interface Step {
  /** The sum that ends it. */
  readonly add: Op;
  /** The stream on entry, as the branches read it. */
  readonly x: Wire;
  /** The stream on exit. */
  readonly y: Wire;
  /** The ends of the branches. */
  readonly terms: readonly Wire[];
  /** What lies between `x` and each term. */
  readonly regions: readonly Region[];
  /** Where the sum takes the stream from, if not from `x`: x + mlp(norm(x + attn(x))). */
  readonly skip: Wire;
}

export interface Steps {
  readonly steps: readonly Step[];
  /** Sums around whole runs of steps: long skips, residuals around stacks. */
  readonly outer: readonly Step[];
}

const heavy =
  /^(Conv|ConvTranspose|RNN|LSTM|GRU|DFT|STFT|Loop|Scan|If|QLinear\w+|LinearAttention|.*::.*)$/;

export function findSteps(
  flow: Flow,
  linears: Linears,
  cores: readonly Core[],
  constants: Constants,
): Steps {
  const kernels = new Set(cores.map((core) => core.op));
  const weighs = (op: Op) =>
    linears.byOp.has(op) || kernels.has(op) || mixesByConstant(op) || isGrafted(op);
  const candidates = new Map<Op, Step>();
  for (const op of flow.ops) {
    // A sum inside of an operator is no sum of the stream.
    if (op.type !== "Add" || op.data.length < 2 || isGrafted(op)) continue;
    const step = extended(op, candidates, weighs) ?? stepAt(op, constants, weighs);
    if (!step) continue;
    candidates.set(op, step);
  }
  for (const step of graftedBlocks(flow, candidates)) candidates.set(step.add, step);
  return sortOut([...candidates.values()], { kernels, linears, weighs });
}

/** Operators in the place of whole blocks that keep no residual sum: each is a step by itself. */
function* graftedBlocks(flow: Flow, candidates: ReadonlyMap<Op, Step>): Iterable<Step> {
  const groups = new Map<string, Op[]>();
  for (const op of flow.ops) {
    const site = op.data.length > 0 ? graftedBlock(op.place) : null;
    if (site !== null) groups.set(site, [...(groups.get(site) ?? []), op]);
  }
  for (const ops of groups.values()) {
    const own = new Set(ops);
    if (ops.some((op) => candidates.has(op))) continue;
    const ends = ops.flatMap(({ outputs }) =>
      outputs.flatMap((wire) => (wire?.uses.some((reader) => !own.has(reader)) ? wire : [])),
    );
    const [y, ...others] = ends;
    const entries = new Set(ops.flatMap(({ data }) => data.filter((x) => !own.has(x.from!))));
    const [x, ...more] = [...entries].filter((wire) => y && mayEqual(wire, y));
    const region = x && y && regionBetween(x, y);
    if (region && others.length + more.length === 0) yield stepOf(y.from!, x, [region]);
  }
}

function mixesByConstant(op: Op): boolean {
  if (heavy.test(op.type)) return true;
  const [a, b] = op.inputs;
  return op.type === "MatMul" && Boolean(a?.constant || b?.constant);
}

function stepAt(op: Op, constants: Constants, weighs: (op: Op) => boolean): Step | null {
  const terms = [...op.data].sort((a, b) => levelOf(a) - levelOf(b));
  // The last term that is an ancestor of another is the stream; earlier ones are skips or offsets.
  for (let i = terms.length - 2; i >= 0; i--) {
    for (const x of peeled(terms[i]!, constants)) {
      const regions = terms
        .slice(i + 1)
        .filter((term) => mayEqual(x, term))
        .flatMap((term) => regionBetween(x, term) ?? []);
      const branches = regions.filter((region) => region.ops.some(weighs));
      if (branches.length === 0) continue;
      return stepOf(op, x, branches);
    }
  }
  return null;
}

function stepOf(op: Op, x: Wire, regions: readonly Region[]): Step {
  const terms = regions.map((region) => region.to);
  return { add: op, x, y: op.outputs[0]!, terms, regions, skip: x };
}

/** (x + f(x)) + g(x), where nothing else reads the inner sum: one step of two branches. */
function extended(
  op: Op,
  candidates: ReadonlyMap<Op, Step>,
  weighs: (op: Op) => boolean,
): Step | null {
  for (const inner of op.data) {
    const step = inner.from && candidates.get(inner.from);
    if (!step || inner.uses.length !== 1) continue;
    const rest = op.data.filter((wire) => wire !== inner);
    // Sums in a row from the same start are a block of their own, side by side with this one.
    if (rest.some((wire) => endsRun(wire, step.x, candidates))) continue;
    const regions = rest.flatMap((term) => regionBetween(step.x, term) ?? []);
    if (regions.length === 0 || regions.length < rest.length) continue;
    if (!regions.every((region) => region.ops.some(weighs) && !region.has.has(step.add))) continue;
    return stepOf(op, step.x, [...step.regions, ...regions]);
  }
  return null;
}

/** Whether steps, one behind the other, lead from `origin` to `wire`. */
function endsRun(wire: Wire, origin: Wire, candidates: ReadonlyMap<Op, Step>): boolean {
  const step = wire.from && candidates.get(wire.from);
  if (!step) return false;
  return comesFrom(step.x, origin) || endsRun(step.x, origin, candidates);
}

const movers = new Set(["Slice", "Split", "Concat", "Reshape", "Transpose", "Cast", "Identity"]);

/** Whether a wire is `origin` but for moves of its elements. */
function comesFrom(wire: Wire, origin: Wire, depth = 0): boolean {
  if (wire === origin) return true;
  const op = wire.from;
  if (!op || depth > 3 || op.data.length === 0 || !movers.has(op.type)) return false;
  return op.data.every((input) => comesFrom(input, origin, depth + 1));
}

/** What a skip term is, less casts and constant factors on the way: one for all, or one a feature. */
function peeled(wire: Wire, constants: Constants): Wire[] {
  const found = [wire];
  for (let at = wire.from; at && found.length < 5; at = found.at(-1)!.from) {
    if (isGrafted(at)) break;
    const [a, b] = at.inputs;
    const plain = ["Cast", "Identity", "Dropout", "DequantizeLinear", "QuantizeLinear"];
    const isFactor = (wire: Wire | null | undefined) =>
      constants.scalar(wire) !== null || isVector(wire);
    const scaled = ["Mul", "Div"].includes(at.type) && isFactor(b);
    const scaledLeft = at.type === "Mul" && isFactor(a);
    const next = scaledLeft ? b : plain.includes(at.type) || scaled ? a : null;
    if (!next || next.constant) break;
    found.push(next);
  }
  return found;
}

function isVector(wire: Wire | null | undefined): boolean {
  const shape = wire?.constant ? wire.value?.type?.shape : null;
  return shape?.slice(0, -1).every((size) => size === 1) ?? false;
}

/** Terms of a residual sum have one shape of rank 2 or more. */
function mayEqual(a: Wire, b: Wire): boolean {
  const [left, right] = [a.value?.type?.shape, b.value?.type?.shape];
  if (!left || !right) return true;
  if (left.length !== right.length || left.length < 2) return false;
  return left.every((dim, i) => {
    const other = right[i];
    return typeof dim !== "number" || typeof other !== "number" || dim === other;
  });
}

/**
 * Steps may lie inside of others. The outer one is no step of a block if an inner one starts from the
 * same value (a long skip over steps), or if all of its attention is in inner ones (a residual around
 * a stack). Otherwise the inner one belongs to the branch (an adapter, queries that are added to what
 * they found) and is dropped.
 */
interface Marks {
  readonly kernels: ReadonlySet<Op>;
  readonly linears: Linears;
  readonly weighs: (op: Op) => boolean;
}

function sortOut(candidates: readonly Step[], { kernels, linears, weighs }: Marks): Steps {
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
    const all = attention.length > 0 && attention.every((op) => inside.has(op));
    const around = all && !isInBranch(inner, step, linears);
    if (around || inner.some((s) => s.x === step.x)) {
      const second = inner.length === 1 ? secondHalf(step, inner[0]!, linears) : null;
      if (second) nested.set(step, second);
      else outer.add(step);
    } else for (const s of inner) dropped.add(s);
  }
  const steps = candidates
    .filter((step) => !outer.has(step) && !dropped.has(step) && !isExtended(step, byAdd))
    .map((step) => nested.get(step) ?? step);
  return { steps, outer: [...outer].filter((step) => !dropped.has(step)) };
}

/** x + g(u + f(u)) with u = norm(x), where g projects once: u is no stream but the branch's own. */
function isInBranch(inner: readonly Step[], step: Step, linears: Linears): boolean {
  const [only, ...others] = inner;
  const [term] = step.terms;
  if (!only || others.length > 0 || only.x === step.x || step.terms.length !== 1) return false;
  const [before, behind] = [regionBetween(step.x, only.x), regionBetween(only.y, term!)];
  return mapsIn(before, linears) === 0 && mapsIn(behind, linears) === 1;
}

/** How many projections lie there. */
function mapsIn(region: Region | null, { byOp }: Linears): number {
  return new Set(region?.ops.flatMap((op) => byOp.get(op) ?? [])).size;
}

/** x + g(x + f(x)) with projections of its own in g: a step that starts where the inner one ends. */
function secondHalf(step: Step, inner: Step, linears: Linears): Step | null {
  const [term] = step.terms;
  if (inner.x !== step.x || step.terms.length !== 1) return null;
  const rest = regionBetween(inner.y, term!);
  return rest && mapsIn(rest, linears) >= 2 ? { ...step, x: inner.y, regions: [rest] } : null;
}

/** Whether a later sum took this one in as its first branches. */
function isExtended(step: Step, byAdd: ReadonlyMap<Op, Step>): boolean {
  const [reader, ...more] = step.y.uses;
  const later = reader && more.length === 0 ? byAdd.get(reader) : undefined;
  return later !== undefined && later.x === step.x && later.terms.includes(step.terms[0]!);
}
