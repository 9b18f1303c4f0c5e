/**
 * A branch of a residual step, taken apart: norm and modulation in front, the part itself, gates and
 * further norms behind it.
 */
import type { Constants } from "./constants.ts";
import type { Core } from "./cores.ts";
import type { Op, Wire } from "./flow.ts";
import { isGrafted } from "./grafted.ts";
import { carry, identityLayout } from "./layout.ts";
import type { LinearMap, Linears } from "./linears.ts";
import { mixingOf } from "./mixing.ts";
import { matchNorm, type NormMatch } from "./norms.ts";
import { type Region, regionBetween, type Segment, segmentsOf } from "./region.ts";
import { isFront, shareFront } from "./shared-front.ts";
import { apart, mayEqual } from "./terms.ts";

/** What the parts of a search have in common. */
export interface Findings {
  readonly constants: Constants;
  readonly linears: Linears;
  readonly cores: readonly Core[];
  readonly coreOf: ReadonlyMap<Op, Core>;
}

export type Piece =
  | { readonly kind: "norm"; readonly norm: NormMatch; readonly segments: readonly Segment[] }
  | {
      readonly kind: "affine" | "layout" | "substance";
      readonly segments: readonly [Segment];
    };

export interface Branch {
  /** Where it leaves the stream and where it joins the sum. */
  readonly from: Wire;
  readonly to: Wire;
  /** Behind norm and modulation, before gate and residual add. */
  readonly x: Wire;
  readonly y: Wire;
  readonly norms: readonly NormMatch[];
  readonly postNorms: readonly NormMatch[];
  /** From `x` to `y`. */
  readonly ops: readonly Op[];
  readonly has: ReadonlySet<Op>;
  readonly linears: readonly LinearMap[];
  readonly cores: readonly Core[];
}

const layouts = new Set([
  "Reshape",
  "Transpose",
  "Squeeze",
  "Unsqueeze",
  "Flatten",
  "QuantizeLinear",
  "DequantizeLinear",
]);
const elementwise = new Set(["Mul", "Add", "Sub", "Div", "Cast", "Identity", "Dropout", "Where"]);

/** The branches of one region: two where a norm, or the stream itself, feeds two of them. */
export function branchesOf(region: Region, findings: Findings): Branch[] {
  const pieces = piecesOf(region, findings);
  const first = pieces.findIndex((piece) => piece.kind === "substance");
  if (first < 0) return [];
  const last = pieces.findLastIndex((piece) => piece.kind === "substance");
  const start = frontOf(pieces, first, region.from, findings);
  const end = backOf(pieces, last);
  const x = pieces[start]!.segments[0].from;
  const y = pieces[end]!.segments.at(-1)!.to;
  const norms = pieces
    .slice(0, start)
    .flatMap((piece) => (piece.kind === "norm" ? piece.norm : []));
  const postNorms = pieces
    .slice(end + 1)
    .flatMap((piece) => (piece.kind === "norm" ? piece.norm : []));
  // Cuts lie behind a first projection that branches have in common, and where terms are stacked.
  const before = pieces.slice(start, end).flatMap(({ segments }) => segments.flatMap((s) => s.ops));
  const stacked = start + 1 === end && y.from?.type === "ReduceSum";
  const single = start === end || stacked || isFront(before, findings.linears);
  const parallel = single ? parallelTerms(x, y, findings) : null;
  if (parallel) {
    return parallel.flatMap((inner) =>
      branchesOf(inner, findings).map((branch) => ({
        ...branch,
        from: region.from,
        norms: [...norms, ...branch.norms],
      })),
    );
  }
  const ops = pieces
    .slice(start, end + 1)
    .flatMap(({ segments }) => segments.flatMap((s) => s.ops));
  const bare = { from: region.from, to: region.to, x, y, norms, postNorms, ops };
  return [branchOf(withoutGate(bare, findings) ?? bare, findings)];
}

/**
 * The branch up to the end of its last projection, where what stands behind it reads the branch's
 * start as well: a gate made of the same tokens, or the stream itself that is taken away again,
 * x + g (f(x) - x).
 */
function withoutGate(bare: Bare, findings: Findings): Bare | null {
  const { x, y, ops } = bare;
  const { linears, coreOf, constants } = findings;
  const mapsOf = (list: readonly Op[]) => new Set(list.flatMap((op) => linears.byOp.get(op) ?? []));
  const attends = (list: readonly Op[]) => list.some((op) => coreOf.has(op));
  for (const map of mapsOf(ops)) {
    const end = joinedEnd(bare, map.y);
    const [inside, behind] = [regionBetween(x, end), regionBetween(end, y)];
    // Features that stand beside those of another are no gate of them.
    if (!mayEqual(end, y)) continue;
    if (!inside || !behind || mapsOf(behind.ops).size > 0 || attends(behind.ops)) continue;
    if (mapsOf(inside.ops).size < 2 && !attends(inside.ops)) continue;
    const beside = ops.filter((op) => !inside.has.has(op) && !behind.has.has(op));
    // What reads the middle of the branch is a part of it: the other half of a low-rank update.
    const readsInside = ({ data }: Op) => data.some(({ from }) => from && inside.has.has(from));
    if (beside.some(readsInside)) continue;
    // Each token makes its gate by one projection. More of them, or weights that it chooses, are
    // experts; what mixes tokens is a branch of its own.
    if (mapsOf(beside).size > 1 || attends(beside) || choosesExperts(beside)) continue;
    if (mixingOf(x, beside, linears, constants) !== "features") continue;
    const gates = behind.ops.filter((op) =>
      op.data.some(({ from }) => from && beside.includes(from)),
    );
    // What is added to the branch is a term of it.
    if (gates.some(({ type }) => type === "Add" || type === "Sub")) continue;
    const readsStart = behind.ops.some((op) => op.data.includes(x));
    if (gates.length > 0 || readsStart) return { ...bare, y: end, ops: inside.ops };
  }
  return null;
}

/**
 * Behind the last projection, or where its result meets what else the middle of the branch makes: the
 * sum of an adapter, or of a low-rank update.
 */
function joinedEnd({ x, y, ops }: Bare, last: Wire): Wire {
  const [inside, behind] = [regionBetween(x, last), regionBetween(last, y)];
  const made = new Set(inside?.ops);
  const reads = ({ data }: Op) =>
    data.some((wire) => wire !== last && wire.from && made.has(wire.from));
  for (const op of ops) if (!behind?.has.has(op) && reads(op)) made.add(op);
  return behind?.ops.findLast(reads)?.outputs[0] ?? last;
}

/** Each token has the best of its own features picked, which are the scores of experts. */
export function choosesExperts(ops: readonly Op[]): boolean {
  return ops.some(({ type, node, inputs }) => {
    const axis = node.int("axis") ?? -1;
    const rank = inputs[0]?.value?.type?.shape?.length;
    return type === "TopK" && (axis === -1 || axis + 1 === rank);
  });
}

type Bare = Omit<Branch, "has" | "linears" | "cores">;

function branchOf(bare: Bare, { linears, coreOf }: Findings): Branch {
  const found = new Set(bare.ops.flatMap((op) => linears.byOp.get(op) ?? []));
  return {
    ...bare,
    has: new Set(bare.ops),
    linears: [...found],
    cores: bare.ops.flatMap((op) => coreOf.get(op) ?? []),
  };
}

function piecesOf(region: Region, findings: Findings): Piece[] {
  const segments = segmentsOf(region);
  const pieces: Piece[] = [];
  for (let i = 0; i < segments.length; ) {
    const grafted = segments[i]!.ops.some(isGrafted);
    const norm = grafted ? null : matchNorm(segments, i, findings.constants);
    if (norm) {
      pieces.push({ kind: "norm", norm, segments: segments.slice(i, i + norm.length) });
      i += norm.length;
    } else {
      const segment = segments[i]!;
      pieces.push({ kind: kindOf(segment, findings), segments: [segment] });
      i++;
    }
  }
  return pieces;
}

function kindOf(segment: Segment, { linears }: Findings): "affine" | "layout" | "substance" {
  const { ops } = segment;
  if (ops.some((op) => linears.byOp.has(op) || isGrafted(op))) return "substance";
  if (ops.every((op) => layouts.has(op.type))) return "layout";
  return isAffine(segment) ? "affine" : "substance";
}

/** Multiplies by, and adds, what comes from the side; no product of the path with itself. */
function isAffine({ from, ops }: Segment): boolean {
  const path = new Set<Wire>([from]);
  for (const op of ops) {
    if (!elementwise.has(op.type)) return false;
    const own = op.inputs.filter((wire) => wire && path.has(wire));
    if ((op.type === "Mul" || op.type === "Div") && own.length !== 1) return false;
    if (op.type === "Div" && !path.has(op.inputs[0]!)) return false;
    if (op.type === "Where" && (path.has(op.inputs[0]!) || own.length !== 1)) return false;
    for (const wire of op.outputs) if (wire) path.add(wire);
  }
  return true;
}

/** Norms and modulation go in front of the part; reshapes right before it belong to it. */
function frontOf(
  pieces: readonly Piece[],
  substance: number,
  stream: Wire,
  { constants }: Findings,
): number {
  let start = substance;
  while (start > 0 && pieces[start - 1]!.kind === "layout") start--;
  if (start === 0) return start;
  const turned = turnedBefore(pieces, substance, stream, constants);
  // A norm of another layout ([B, D, N]) is turned back before the part begins.
  const shape = (wire: Wire) => wire.value?.type?.shape?.join();
  for (let i = start; i <= substance; i++) {
    if (shape(pieces[i]!.segments[0]!.from) === shape(stream) && !turned[i]) return i;
  }
  return start;
}

/** Of pieces up to one: whether they start from a value whose axes are the stream's in another order. */
function turnedBefore(
  pieces: readonly Piece[],
  last: number,
  stream: Wire,
  constants: Constants,
): boolean[] {
  let layout = identityLayout(stream);
  const turned: boolean[] = [];
  for (const { kind, segments } of pieces.slice(0, last + 1)) {
    const places = layout?.axes.flatMap((digits) => digits.map(({ axis }) => axis));
    turned.push(places?.some((axis, i) => axis < (places[i - 1] ?? axis)) ?? false);
    const [op] = segments[0].ops;
    if (kind === "layout") layout = layout && carry(layout, op!, segments[0].to, constants);
  }
  return turned;
}

/** Reshapes right behind the part belong to it, casts between the two with them. */
function backOf(pieces: readonly Piece[], substance: number): number {
  let end = substance;
  for (let i = end + 1; pieces[i] && (pieces[i]!.kind === "layout" || isCast(pieces[i]!)); i++) {
    if (pieces[i]!.kind === "layout") end = i;
  }
  return end;
}

function isCast({ segments }: Piece): boolean {
  return segments.every(({ ops }) => ops.every(({ type }) => type === "Cast"));
}

/**
 * The branches that meet in one sum, where attention and MLP run side by side. Each must mix tokens,
 * hold two projections of its own (the two halves of a low-rank update are no branches), or be an
 * operator that an edit placed.
 */
function parallelTerms(x: Wire, y: Wire, findings: Findings): Region[] | null {
  const whole = !y.from || findings.linears.byOp.has(y.from) || isGrafted(y.from);
  const terms = whole ? [] : termsOf(y.from, x);
  const found = terms.flatMap((term) => regionBetween(x, term) ?? []);
  const regions = apart(found, findings.linears);
  if (regions.length < 2 || regions.length < terms.length) return null;
  const { byOp } = findings.linears;
  const attends = ({ ops }: Region) => ops.some((op) => findings.coreOf.has(op));
  const mixes = (region: Region) =>
    attends(region) || mixingOf(x, region.ops, findings.linears, findings.constants) === "tokens";
  for (const region of regions) {
    const linears = new Set(region.ops.flatMap((op) => byOp.get(op) ?? []));
    if (linears.size < 2 && !mixes(region) && !region.ops.some(isGrafted)) return null;
    for (const other of regions) {
      if (other === region || !region.ops.some((op) => other.has.has(op) && byOp.has(op))) continue;
      if (attends(region) === attends(other) || !shareFront(region, other, findings.linears)) {
        return null;
      }
    }
  }
  return regions;
}

/** What a sum adds up: the terms of an Add, values that are stacked and summed, or one or the other. */
function termsOf(sum: Op, x: Wire): readonly Wire[] {
  if (sum.type === "Add") return sum.data;
  if (sum.type === "Where") {
    const [condition, ...values] = sum.inputs;
    const chosen = condition && regionBetween(x, condition);
    return chosen ? [] : values.flatMap((wire) => (wire && !wire.constant ? wire : []));
  }
  const stack = sum.inputs[0]?.from;
  if (sum.type !== "ReduceSum" || stack?.type !== "Concat") return [];
  const terms = stack.data.map((wire) =>
    wire.from?.type === "Unsqueeze" ? wire.from.inputs[0] : null,
  );
  return terms.every((term) => term) ? (terms as Wire[]) : [];
}
