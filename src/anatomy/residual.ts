/**
 * Residual steps: y = x + f(x), found as sums of which one term is an ancestor of the others and a
 * weighted branch lies between. Nothing here looks at names.
 */
import { chosenSum } from "./chosen.ts";
import type { Constants } from "./constants.ts";
import type { Core } from "./cores.ts";
import { type Flow, levelOf, type Op, type Wire } from "./flow.ts";
import { graftedBlock, isGrafted } from "./grafted.ts";
import type { Linears } from "./linears.ts";
import { sortOut } from "./nesting.ts";
import { type Region, regionBetween } from "./region.ts";
import { apart, mayEqual } from "./terms.ts";

export interface Step {
  /** The sum that ends it. */
  readonly add: Op;
  /** The stream on entry, as the branches read it. */
  readonly x: Wire;
  /** The stream on exit. */
  readonly y: Wire;
  /** The ends of the branches. */
  readonly terms: readonly Wire[];
  /** What lies between `x`, or the last of what a branch reads of others, and each term. */
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
  const scored = new Set(cores.flatMap(({ ops }) => ops));
  for (const op of flow.ops) {
    // A sum of scores, or inside of an operator, is no sum of the stream.
    if (op.data.length < 2 || scored.has(op) || isGrafted(op)) continue;
    const step = sums.has(op.type)
      ? (extended(op, candidates, weighs) ?? stepAt(op, candidates, constants, weighs))
      : chosenAt(op, candidates, weighs);
    if (step) candidates.set(op, { ...step, regions: apart(step.regions, linears) });
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

/** A difference takes the branch away from the stream. */
const sums = new Set(["Add", "Sub"]);

function mixesByConstant(op: Op): boolean {
  if (heavy.test(op.type)) return true;
  const [a, b] = op.inputs;
  return op.type === "MatMul" && Boolean(a?.constant || b?.constant);
}

function stepAt(
  op: Op,
  candidates: ReadonlyMap<Op, Step>,
  constants: Constants,
  weighs: (op: Op) => boolean,
): Step | null {
  const origins = op.data.map((term) => ({ term, found: peeled(term, constants, weighs) }));
  // A factor of the stream may stand as late as the sum: what comes first is told by what it scales.
  const lowest = ({ found }: (typeof origins)[number]) => levelOf(found.at(-1)!);
  const terms = op.type === "Sub" ? origins : origins.sort((a, b) => lowest(a) - lowest(b));
  // The last term that is an ancestor of another is the stream; earlier ones are skips or offsets.
  for (let i = terms.length - 2; i >= 0; i--) {
    for (const x of terms[i]!.found) {
      const regions = terms
        .slice(i + 1)
        .filter(({ term }) => mayEqual(x, term))
        .flatMap(({ term }) => regionBetween(x, term) ?? []);
      const branches = regions.filter((region) => region.ops.some(weighs));
      // What is left of a value beside the entry of a table that is nearest to it is no stream.
      const rounds = op.type === "Sub" && branches.some(({ ops }) => ops.some(picks));
      const again = branches.some(({ to }) => wasAdded(x, to, candidates));
      if (branches.length > 0 && !rounds && !again) return stepOf(op, x, branches);
    }
  }
  return null;
}

/** Whether steps lead to `wire` from where `x` was added to their stream, as tables of positions are. */
function wasAdded(x: Wire, wire: Wire, candidates: ReadonlyMap<Op, Step>): boolean {
  let start = wire;
  for (let step = startsAt(start, candidates); step; step = startsAt(start, candidates)) {
    start = step.x;
  }
  const sum = start === wire ? null : start.from;
  if (sum?.type !== "Add" || !sum.data.includes(x)) return false;
  return sum.data.every((term) => term === x || !regionBetween(x, term));
}

function startsAt({ from }: Wire, candidates: ReadonlyMap<Op, Step>): Step | undefined {
  return from ? candidates.get(from) : undefined;
}

function picks({ type }: Op): boolean {
  return type === "ArgMin" || type === "ArgMax";
}

function stepOf(op: Op, x: Wire, regions: readonly Region[]): Step {
  const terms = regions.map((region) => region.to);
  return { add: op, x, y: op.outputs[0]!, terms, regions, skip: x };
}

/**
 * (x + f(x)) + g(x), where nothing else reads the inner sum: one step of two branches, or of one where
 * g has no weights, as the mean that is taken away.
 */
function extended(op: Op, candidates: Map<Op, Step>, weighs: (op: Op) => boolean): Step | null {
  for (const inner of op.type === "Sub" ? op.data.slice(0, 1) : op.data) {
    const step = inner.from && candidates.get(inner.from);
    if (!step || inner.uses.length !== 1) continue;
    const rest = op.data.filter((wire) => wire !== inner);
    // What is added to another stream, too, is no branch of this one alone.
    if (rest.some((wire) => wire.uses.length > 1)) continue;
    // Sums in a row from the same start are a block of their own, side by side with this one.
    if (rest.some((wire) => endsRun(wire, step.x, candidates))) continue;
    const regions = rest.flatMap((term) => regionBetween(step.x, term) ?? []);
    if (regions.length === 0 || regions.length < rest.length) continue;
    if (regions.some((region) => region.has.has(step.add))) continue;
    const branches = regions.filter((region) => region.ops.some(weighs));
    candidates.delete(step.add);
    return stepOf(op, step.x, [...step.regions, ...branches]);
  }
  return null;
}

/** A sum at some tokens; one behind the other, they may all start from what the first one did. */
function chosenAt(op: Op, candidates: Map<Op, Step>, weighs: (op: Op) => boolean): Step | null {
  const chosen = chosenSum(op);
  if (!chosen) return null;
  const { x, term, sum } = chosen;
  const before = x.from ? candidates.get(x.from) : undefined;
  const own = regionBetween(x, term);
  const region = own ?? (before && regionBetween(before.x, term));
  if (!region?.ops.some(weighs)) return null;
  candidates.delete(sum);
  if (own || !before) return stepOf(op, x, [region]);
  candidates.delete(before.add);
  return stepOf(op, before.x, [...before.regions, region]);
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

/**
 * What a skip term is, less casts, constant factors and offsets on the way (one for all, or one a
 * feature), and what it loses by itself: x - mean(x).
 */
function peeled(wire: Wire, constants: Constants, weighs: (op: Op) => boolean): Wire[] {
  const found = [wire];
  for (let at = wire.from; at && found.length < 5; at = found.at(-1)!.from) {
    const next = weighs(at) ? null : passed(at, constants, weighs);
    if (!next || next.constant) break;
    found.push(next);
  }
  return found;
}

const plain = new Set(["Cast", "Identity", "Dropout", "DequantizeLinear", "QuantizeLinear"]);

function passed(
  { type, inputs: [a, b] }: Op,
  constants: Constants,
  weighs: (op: Op) => boolean,
): Wire | null | undefined {
  if (plain.has(type)) return a;
  const isConstant = (wire: Wire | null | undefined) =>
    constants.scalar(wire) !== null || isVector(wire);
  if (["Mul", "Add"].includes(type) && isConstant(a)) return b;
  if (["Mul", "Div", "Add", "Sub"].includes(type) && isConstant(b)) return a;
  const lost = type === "Sub" && a && b ? regionBetween(a, b) : null;
  return lost && !lost.ops.some(weighs) ? a : null;
}

function isVector(wire: Wire | null | undefined): boolean {
  const shape = wire?.constant ? wire.value?.type?.shape : null;
  return shape?.slice(0, -1).every((size) => size === 1) ?? false;
}
