/**
 * The way from a projection to the scores: heads are split, q and k may be normed and rotated, keys
 * repeated or joined with others. Cuts tell these stretches apart.
 */

import type { HeadLayout, Linear } from "./anatomy.ts";
import type { Constants } from "./constants.ts";
import { type Digit, sizeOf } from "./digits.ts";
import type { Op, Wire } from "./flow.ts";
import { inPlace } from "./in-place.ts";
import { withLateBias } from "./late-bias.ts";
import { carry, identityLayout, isLayoutOp, type Layout, layoutOfShape } from "./layout.ts";
import type { LinearMap } from "./linears.ts";
import { inPairs, matched, turned } from "./matched.ts";
import { regionBetween, type Segment, segmentsOf } from "./region.ts";
import { isWritten, written } from "./written.ts";

export interface Path {
  readonly map: LinearMap;
  /** What norms and rotates it, where something does. */
  readonly rotation: {
    readonly from: Wire;
    readonly to: Wire;
    readonly layout: HeadLayout;
    readonly layoutOut: HeadLayout;
    /** Values of other projections join in the middle of it. */
    readonly joins: boolean;
  } | null;
  /** Where the elements of its end stand in the projection's output. */
  readonly layout: Layout;
  /** Index of the feature axis in that output. */
  readonly features: number;
  /** Product of the constant factors outside of `rotation`. */
  readonly scale: number;
  /** Something is joined on along the way: a cache, or another stream. */
  readonly joined: Op | null;
}

type Kind = "layout" | "scale" | "join" | "other";

/** A cut on the way: a wire, and how its elements lie in the projection's output. */
interface Cut {
  /** How many segments lie before it. */
  readonly at: number;
  readonly wire: Wire;
  readonly layout: Layout;
}

export function tracePath(product: LinearMap, end: Wire, constants: Constants): Path | null {
  let map = product;
  const start = startLayout(map);
  const region = end === map.y ? null : regionBetween(map.y, end);
  if (!start || (!region && end !== map.y)) return null;
  const segments = region ? segmentsOf(region) : [];
  const kinds = segments.map((segment) => kindOf(segment, constants));
  const features = featuresOf(map, start);
  const cuts: Cut[] = [{ at: 0, wire: map.y, layout: start }];
  const spans: { readonly from: Cut; readonly to: Cut }[] = [];
  for (let i = 0; i < segments.length; ) {
    const { layout: before } = cuts.at(-1)!;
    const unscaled = kinds.slice(0, i).every((kind) => kind === "layout");
    const biased = unscaled && withLateBias(map, before, features, segments[i]!, constants);
    if (biased) [map, kinds[i]] = [biased, "layout"];
    if (kinds[i] === "other") {
      const span = bridge({ cuts, segments, kinds, at: i, constants });
      if (!span) return null;
      spans.push(span);
      cuts.splice(0, cuts.length, span.to);
      i = span.to.at;
      continue;
    }
    const layout = biased ? before : through(before, segments[i]!, constants);
    if (!layout) return null;
    i++;
    cuts.push({ at: i, wire: segments[i - 1]!.to, layout });
  }
  const [first, last] = [spans[0], spans.at(-1)];
  const outside = (_: unknown, i: number) => !first || i < first.from.at || i >= last!.to.at;
  const factors = segments.filter(outside).map((segment) => factorOf(segment, constants) ?? 1);
  return {
    map,
    features,
    layout: cuts.at(-1)!.layout,
    rotation: !first
      ? null
      : {
          from: first.from.wire,
          to: last!.to.wire,
          layout: headLayout(first.from.layout, features),
          layoutOut: headLayout(last!.to.layout, features),
          joins: kinds.slice(0, kinds.lastIndexOf("other")).includes("join"),
        },
    scale: factors.reduce((product, factor) => product * factor, 1),
    joined: segments[kinds.indexOf("join")]?.ops[0] ?? null,
  };
}

interface Bridging {
  /** Since the last span. */
  readonly cuts: readonly Cut[];
  readonly segments: readonly Segment[];
  readonly kinds: readonly Kind[];
  readonly at: number;
  readonly constants: Constants;
}

/**
 * Norms and rotations are not looked into: some cut before and some cut behind have one shape, or
 * the same sizes in another order. Reshapes that only serve the rotation lie between the two.
 */
function bridge({ cuts, segments, kinds, at, constants }: Bridging): { from: Cut; to: Cut } | null {
  let last = at;
  while (kinds[last + 1] === "other") last++;
  for (let before = cuts.length - 1; before >= 0; before--) {
    const from = cuts[before]!;
    if (from.layout.axes.length > 4) continue;
    const next = cuts[before + 1];
    const paired = next && inPairs(next.wire, next.layout);
    const plain = { shape: from.wire.value?.type?.shape, layout: from.layout };
    for (let i = last; i < segments.length && kinds[i] !== "join"; i++) {
      if (i > last && kinds[i] === "other") break;
      const wire = segments[i]!.to;
      const layout =
        matched(plain, wire) ??
        inPlace(from.layout, wire, segments.slice(from.at, i + 1), constants) ??
        (paired ? turned(paired, wire) : null);
      if (layout) return { from, to: { at: i + 1, wire, layout } };
    }
  }
  return null;
}

/** The axis that stands for features; the first of them where they are several. */
function featuresOf({ featureAxis, split }: LinearMap, { axes }: Layout): number {
  return axes.length + (split ? -split.length : featureAxis);
}

/** The output of a projection with its features in order, even where its type is unknown. */
function startLayout(map: LinearMap): Layout | null {
  const known = identityLayout(map.y);
  if (map.split) return known && splitLayout(known, map.split);
  if (known) return known.axes.length >= -map.featureAxis ? known : null;
  return map.featureAxis === -1 ? layoutOfShape([null, null, map.out]) : null;
}

/** Features that are several axes are digits of one, the last the fastest. */
function splitLayout(known: Layout, split: readonly number[]): Layout {
  const axis = known.axes.length - split.length;
  const digits = split.map((size, i) => {
    const stride = split.slice(i + 1).reduce((product, each) => product * each, 1);
    return size === 1 ? [] : [{ axis, size, stride }];
  });
  return { ...known, axes: [...known.axes.slice(0, axis), ...digits] };
}

function kindOf(segment: Segment, constants: Constants): Kind {
  const { ops } = segment;
  const op = ops[0]!;
  if ((ops.length === 1 && op.type === "Concat") || isWritten(segment)) return "join";
  if (ops.length === 1 && isLayoutOp(op)) return "layout";
  return factorOf({ ops }, constants) === null ? "other" : "scale";
}

function factorOf({ ops }: Pick<Segment, "ops">, constants: Constants): number | null {
  const op = ops[0]!;
  if (ops.length !== 1 || (op.type !== "Mul" && op.type !== "Div")) return null;
  const [a, b] = op.inputs;
  const right = constants.scalar(b);
  if (right !== null) return op.type === "Mul" ? right : 1 / right;
  return op.type === "Mul" ? constants.scalar(a) : null;
}

function through(layout: Layout, segment: Segment, constants: Constants): Layout | null {
  const { ops, to } = segment;
  const [op] = ops;
  if (isWritten(segment)) return written(layout, op!, to);
  return op!.type === "Mul" || op!.type === "Div" ? layout : carry(layout, op!, to, constants);
}

function isFeature(digit: Digit, features: number): boolean {
  return digit.axis === features && digit.stride !== 0;
}

function headLayout({ axes }: Layout, features: number): HeadLayout {
  const holds = axes.map((digits) => digits.some((digit) => isFeature(digit, features)));
  if (axes.length === 3 && !holds[1]) return holds[0] ? "BH,N,d" : "B,N,HD";
  if (axes.length < 4) return "B,H,N,d";
  if (holds[1]) return holds[2] && !holds[3] ? "B,H,d,N" : "B,H,N,d";
  if (holds[2]) return "B,N,H,d";
  // One head: the axis of tokens, the one that is not of size 1, tells.
  return axes.at(-2)!.length === 0 ? "B,N,H,d" : "B,H,N,d";
}

export interface HeadRows {
  readonly heads: number;
  readonly headDim: number;
  /** Row of each feature, heads outside: rows[h * headDim + j]. */
  readonly rows: readonly number[];
}

/**
 * Which rows of the projection the heads are, where the last axis holds a head's features, or all
 * heads' where `split` says how many there are.
 */
export function headRows(
  path: Path,
  keysTransposed: boolean,
  split: number | null,
): HeadRows | null {
  const { layout, features } = path;
  const axes = keysTransposed
    ? [...layout.axes.slice(0, -2), layout.axes.at(-1)!, layout.axes.at(-2)!]
    : layout.axes;
  const own = (digits: readonly Digit[]) => digits.filter((digit) => isFeature(digit, features));
  const last = axes.at(-1);
  if (!last || own(last).length !== last.length) return null;
  const tokens = axes.at(-2);
  if (split === null && tokens && own(tokens).length > 0) return null;
  const outer = axes.slice(0, -2).flatMap(own);
  const digits = [...outer, ...last];
  if (digits.some(({ size, stride }) => typeof size !== "number" || typeof stride !== "number")) {
    return null;
  }
  const offset = layout.offsets.get(features) ?? 0;
  const rows = digits.reduce(
    (starts, { size, stride }) => stepsFrom(starts, size as number, stride as number),
    [offset],
  );
  const width = sizeOf(last) as number;
  if (split !== null) return { heads: split, headDim: width / split, rows };
  return { heads: rows.length / width, headDim: width, rows };
}

function stepsFrom(starts: readonly number[], size: number, stride: number): number[] {
  const steps = new Array<number>(starts.length * size);
  starts.forEach((start, at) => {
    for (let i = 0; i < size; i++) steps[at * size + i] = start + i * stride;
  });
  return steps;
}

/** A linear map, or those of its rows that a part reads. */
export function linearOf(map: LinearMap, rows: readonly number[] | null): Linear {
  const first = rows?.[0] ?? 0;
  const contiguous = !rows || rows.every((row, i) => row === first + i);
  const [start, end] = rows && contiguous ? [first, first + rows.length] : [0, map.out];
  const from = (offset: number) => [offset + start, offset + end] as const;
  const ops = [...map.weightOps, ...map.ops];
  return {
    weight: map.weight,
    layout: map.layout,
    bias: map.bias,
    biasInput: map.biasInput,
    rows: from(map.firstRow),
    order: contiguous ? null : rows.map((row) => map.firstRow + row),
    biasRows: from(map.firstBias),
    in: map.in,
    out: rows?.length ?? map.out,
    alpha: map.alpha,
    opaque: map.irregular,
    nodes: new Set(ops.map((op) => op.place)),
  };
}
