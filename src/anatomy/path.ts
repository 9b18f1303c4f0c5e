/**
 * The way from a projection to the scores: heads are split, q and k may be normed and rotated, keys
 * repeated or joined with others. Cuts tell these stretches apart.
 */
import type { HeadLayout, Linear } from "./anatomy.ts";
import type { Constants } from "./constants.ts";
import type { Op, Wire } from "./flow.ts";
import {
  carry,
  type Digit,
  identityLayout,
  isLayoutOp,
  type Layout,
  layoutOfShape,
  sizeOf,
} from "./layout.ts";
import type { LinearMap } from "./linears.ts";
import { regionBetween, type Segment, segmentsOf } from "./region.ts";

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

export function tracePath(map: LinearMap, end: Wire, constants: Constants): Path | null {
  const start = startLayout(map);
  if (!start) return null;
  const region = end === map.y ? null : regionBetween(map.y, end);
  if (!region && end !== map.y) return null;
  const segments = region ? segmentsOf(region) : [];
  const kinds = segments.map((segment) => kindOf(segment, constants));
  const first = kinds.indexOf("other");
  const last = kinds.lastIndexOf("other");
  const features = start.axes.length + map.featureAxis;
  const wires: { wire: Wire; layout: Layout }[] = [{ wire: map.y, layout: start }];
  for (const segment of segments) {
    const layout = through(wires.at(-1)!.layout, segment, constants);
    if (!layout) return null;
    wires.push({ wire: segment.to, layout });
  }
  const inside = kinds.slice(first, last + 1);
  const outside = segments.filter(
    (_, i) => kinds[i] === "scale" && (first < 0 || i < first || i > last),
  );
  return {
    map,
    features,
    layout: wires.at(-1)!.layout,
    rotation:
      first < 0
        ? null
        : {
            from: segments[first]!.from,
            to: segments[last]!.to,
            layout: headLayout(wires[first]!.layout, features),
            layoutOut: headLayout(wires[last + 1]!.layout, features),
            joins: inside.includes("join") || kinds.slice(0, first).includes("join"),
          },
    scale: outside.reduce((product, segment) => product * factorOf(segment, constants)!, 1),
    joined: segments[kinds.indexOf("join")]?.ops[0] ?? null,
  };
}

/** The output of a projection with its features in order, even where its type is unknown. */
function startLayout(map: LinearMap): Layout | null {
  const known = identityLayout(map.y);
  if (known) return known.axes.length >= -map.featureAxis ? known : null;
  return map.featureAxis === -1 ? layoutOfShape([null, null, map.out]) : null;
}

function kindOf({ ops }: Segment, constants: Constants): Kind {
  const op = ops[0]!;
  if (ops.length === 1 && op.type === "Concat") return "join";
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

/** Norms and rotations keep the layout; where they do not, any one path through them tells how. */
function through(layout: Layout, segment: Segment, constants: Constants): Layout | null {
  const { from, to, ops } = segment;
  const [before, after] = [from.value?.type?.shape, to.value?.type?.shape];
  if (ops.length === 1 && isKnown(ops[0]!)) return carry(layout, ops[0]!, to, constants);
  if (before && after && before.length === after.length) {
    if (before.every((dim, i) => dim === after[i])) return layout;
  }
  let now: Layout | null = layout;
  let wire = from;
  while (wire !== to && now) {
    const op = ops.find((op) => op.data.includes(wire));
    const next: Wire | null | undefined = op?.outputs.find((output) => output);
    if (!op || !next) return null;
    if (isKnown(op)) now = carry(now, op, next, constants);
    wire = next;
  }
  return now;
}

function isKnown(op: Op): boolean {
  return isLayoutOp(op) || op.type === "Concat";
}

function isFeature(digit: Digit, features: number): boolean {
  return digit.axis === features && digit.stride !== 0;
}

function headLayout({ axes }: Layout, features: number): HeadLayout {
  const holds = axes.map((digits) => digits.some((digit) => isFeature(digit, features)));
  if (axes.length < 4) return axes.length === 3 && !holds[0] && !holds[1] ? "B,N,HD" : "B,H,N,d";
  if (holds[1]) return "B,H,N,d";
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
  const rows = digits.reduce<number[]>(
    (starts, { size, stride }) =>
      starts.flatMap((start) =>
        Array.from({ length: size as number }, (_, i) => start + i * (stride as number)),
      ),
    [offset],
  );
  const width = sizeOf(last) as number;
  if (split !== null) return { heads: split, headDim: width / split, rows };
  return { heads: rows.length / width, headDim: width, rows };
}

/** A linear map, or those of its rows that a part reads. */
export function linearOf(map: LinearMap, rows: readonly number[] | null): Linear {
  const first = rows?.[0] ?? 0;
  const contiguous = !rows || rows.every((row, i) => row === first + i);
  const range =
    rows && contiguous ? ([first, first + rows.length] as const) : ([0, map.out] as const);
  const ops = [...map.weightOps, ...map.ops];
  return {
    weight: map.weight,
    layout: map.layout,
    bias: map.bias,
    rows: range,
    order: contiguous ? null : rows,
    biasRows: range,
    in: map.in,
    out: rows?.length ?? map.out,
    alpha: map.alpha,
    nodes: new Set(ops.map((op) => op.node)),
  };
}
