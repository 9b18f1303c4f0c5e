/** An attention taken apart: its projections, heads, scale, mask and rotation. */
import type { Value } from "../ir/graph.ts";
import type { AttentionHost, Linear, Rotation } from "./anatomy.ts";
import type { Branch, Findings } from "./branch.ts";
import type { Core } from "./cores.ts";
import { levelOf, type Op, type Wire } from "./flow.ts";
import { carry, layoutOfShape } from "./layout.ts";
import type { LinearMap } from "./linears.ts";
import { isCausal } from "./masks.ts";
import { headRows, linearOf, type Path, tracePath } from "./path.ts";
import { regionBetween, segmentsOf } from "./region.ts";
import { vectorOf } from "./weights.ts";

export interface AttentionMatch {
  readonly host: AttentionHost;
  /** What keys and values are made of where that is not the branch's own input. */
  readonly context: Wire | null;
}

/** One of q, k, v as the core reads it: where it comes from on this side and on the other. */
interface Source {
  readonly own: LinearMap | null;
  readonly other: LinearMap | null;
}

/**
 * The host of an attention branch with one core. `partner` is the branch of the second stream in
 * joint attention. A string says why it is not understood.
 */
export function takeAttentionApart(
  branch: Branch,
  partner: Branch | null,
  core: Core,
  findings: Findings,
): AttentionMatch | string {
  if (core.op.node.domain !== "" && core.form === "Attention") {
    return packed(branch, core, findings);
  }
  const stop = Math.min(levelOf(branch.x), partner ? levelOf(partner.x) : Number.POSITIVE_INFINITY);
  const behind = (wire: Wire) => projectionsBehind(wire, branch, stop, findings);
  const [q, k, v] = [behind(core.q), behind(core.k), behind(core.v)];
  if (!q.own) return "no projection of the stream makes its queries";
  const cross = !k.own && !v.own;
  const [keys, values] = cross ? [k.other, v.other] : [k.own, v.own];
  if (!keys || !values) return "no projections make its keys and values";
  const side = { q: q.own, k: keys, v: values };
  const own = pathsOf(side, core, findings);
  if (typeof own === "string") return own;
  const joint = !cross && (k.other || v.other) ? { q: q.other, k: k.other, v: v.other } : null;
  const second = joint && secondSide(joint, core, findings);
  if (typeof second === "string") return second;
  const out = outputOf(branch, core, own.q.rows.headDim, findings);
  const partnerOut = partner && outputOf(partner, core, own.q.rows.headDim, findings);
  const host = assemble({ core, own, second: second ?? null, out, partnerOut, findings });
  const context = cross ? base(values.x) : joint ? base((joint.v ?? joint.k)!.x) : null;
  return { host, context };
}

/** The linear maps that a core's input is made of, each reached first from it. */
function projectionsBehind(
  wire: Wire,
  branch: Branch,
  stop: number,
  { linears }: Findings,
): Source {
  const own: LinearMap[] = [];
  const other: LinearMap[] = [];
  const seen = new Set<Wire>([wire]);
  const open = [wire];
  for (let at = open.pop(); at; at = open.pop()) {
    const map = linears.byOutput.get(at);
    if (map && map.in > 1) {
      (branch.has.has(map.op) ? own : other).push(map);
      continue;
    }
    for (const input of at.from?.data ?? []) {
      if (seen.has(input) || seen.size > 400) continue;
      if (input.from && input.from.level < stop && own.length > 0) continue;
      seen.add(input);
      open.push(input);
    }
  }
  return { own: own[0] ?? null, other: nearest(other, wire) };
}

/** Of several projections the last made: tables of angles are made from projections too, but early. */
function nearest(maps: readonly LinearMap[], end: Wire): LinearMap | null {
  const wide = end.value?.type?.shape?.at(-1);
  const fits = maps.filter((map) => typeof wide !== "number" || map.out % wide === 0);
  const sorted = [...(fits.length > 0 ? fits : maps)].sort((a, b) => b.op.id - a.op.id);
  return sorted[0] ?? null;
}

const unmoving = new Set([
  "Reshape",
  "Cast",
  "Identity",
  "Transpose",
  "Flatten",
  "QuantizeLinear",
  "DequantizeLinear",
]);

/** Back over reshapes and casts to the value that several projections share. */
export function base(wire: Wire): Wire {
  let at = wire;
  while (at.from && unmoving.has(at.from.type)) {
    const next = at.from.inputs[0];
    if (!next || next.constant) break;
    at = next;
  }
  return at;
}

interface Side {
  readonly q: Projected;
  readonly k: Projected;
  readonly v: Projected;
}

interface Projected {
  readonly path: Path;
  readonly rows: {
    readonly heads: number;
    readonly headDim: number;
    readonly rows: readonly number[];
  };
}

function projected(
  map: LinearMap,
  end: Wire,
  { transposed = false, split = null, axes = null }: HeadForm,
  { constants }: Findings,
): Projected | null {
  const straight = tracePath(map, end, constants);
  const path = straight && axes ? inOrder(straight, axes) : straight;
  const rows = path && headRows(path, transposed, split);
  return rows && { path, rows };
}

/** How the core reads a value: [.., tokens, features] but for these. */
interface HeadForm {
  readonly transposed?: boolean;
  /** Heads that a fused operator splits the last axis into. */
  readonly split?: number | null;
  readonly axes?: readonly number[] | null;
}

function inOrder(path: Path, axes: readonly number[]): Path | null {
  const { layout } = path;
  if (layout.axes.length !== axes.length) return null;
  return { ...path, layout: { ...layout, axes: axes.map((axis) => layout.axes[axis]!) } };
}

function pathsOf(
  maps: Record<"q" | "k" | "v", LinearMap>,
  core: Core,
  findings: Findings,
): Side | string {
  const flat = (wire: Wire) => (wire.value?.type?.shape?.length ?? 0) === 3;
  const split = (wire: Wire, heads: number | null) => (flat(wire) ? heads : null);
  const kvHeads = core.kvHeads ?? core.heads;
  if (core.packed) return unpacked(maps.q, core, findings);
  const { axes, keysTransposed: transposed } = core;
  const forms = {
    q: { axes: axes.q, split: split(core.q, core.heads) },
    k: { axes: axes.k, split: split(core.k, kvHeads), transposed },
    v: { axes: axes.v, split: split(core.v, kvHeads) },
  };
  const q = projected(maps.q, core.q, forms.q, findings);
  const k = projected(maps.k, core.k, forms.k, findings);
  const v = projected(maps.v, core.v, forms.v, findings);
  if (!q || !k || !v) return "the way from its projections to its heads is not understood";
  if (q.rows.headDim !== k.rows.headDim) return "its queries and keys differ in size";
  if (k.rows.heads !== v.rows.heads || q.rows.heads % k.rows.heads !== 0) {
    return "the heads of its queries, keys and values do not match";
  }
  return { q, k, v };
}

/** Rows of one projection that an operator reads as q, then k, then v. */
function unpacked(map: LinearMap, core: Core, findings: Findings): Side | string {
  const [heads, kvHeads] = [core.heads, core.kvHeads];
  const split = (heads ?? 0) + 2 * (kvHeads ?? 0);
  const all = heads && kvHeads && projected(map, core.q, { split }, findings);
  if (!all) return "the way from its projection to its heads is not understood";
  const { path, rows } = all;
  const part = (first: number, count: number): Projected => ({
    path,
    rows: {
      heads: count,
      headDim: rows.headDim,
      rows: rows.rows.slice(first * rows.headDim, (first + count) * rows.headDim),
    },
  });
  return { q: part(0, heads), k: part(heads, kvHeads), v: part(heads + kvHeads, kvHeads) };
}

function secondSide(
  joint: { q: LinearMap | null; k: LinearMap | null; v: LinearMap | null },
  core: Core,
  findings: Findings,
): Side | string {
  const { q, k, v } = joint;
  if (!q || !k || !v) return "another value joins its keys and values";
  return pathsOf({ q, k, v }, core, findings);
}

interface Output {
  readonly map: LinearMap | null;
  readonly holdsMlp: boolean;
  readonly odd: string | null;
}

/** From the core to the branch's end: merge heads, one projection. */
function outputOf(branch: Branch, core: Core, headDim: number, findings: Findings): Output {
  const { constants, linears } = findings;
  const none = { map: null, holdsMlp: false };
  const region = core.y === branch.y ? null : regionBetween(core.y, branch.y);
  const maps = new Set(region?.ops.flatMap((op) => linears.byOp.get(op) ?? []));
  const [map, ...more] = maps;
  if (!map) return { ...none, odd: "it has no output projection" };
  if (more.length > 0) return { ...none, odd: "several projections follow its heads" };
  const mixed = regionBetween(core.y, map.x);
  const segments = mixed ? segmentsOf(mixed) : [];
  const joins = segments.some(({ ops }) =>
    ops.some((op) => op.type === "Concat" && joinsFeatures(op, branch)),
  );
  if (joins) {
    return { ...none, holdsMlp: true, odd: "attention and MLP share one output projection" };
  }
  let layout = core.y.value?.type?.shape ? layoutOfShape(core.y.value.type.shape) : null;
  const rank = layout?.axes.length ?? 0;
  for (const { ops, to } of segments) {
    if (ops.length > 1) return { map, holdsMlp: false, odd: "its output is gated or normed" };
    const next = layout && carry(layout, ops[0]!, to, constants);
    if (!next) return { map, holdsMlp: false, odd: `its output goes through ${ops[0]!.type}` };
    layout = next;
  }
  const features = layout?.axes.at(-1) ?? [];
  const inner = features.at(-1);
  const natural = rank < 4 || (inner?.axis === rank - 1 && inner.size === headDim) || headDim === 1;
  return { map, holdsMlp: false, odd: natural ? null : "its heads are merged in another order" };
}

/** Whether a Concat puts other features of the same branch beside those of the heads. */
function joinsFeatures(op: Op, branch: Branch): boolean {
  const rank = op.outputs[0]?.value?.type?.shape?.length;
  const axis = op.node.int("axis") ?? 0;
  const last = axis === -1 || (rank !== undefined && axis === rank - 1);
  return last && op.data.filter((wire) => wire.from && branch.has.has(wire.from)).length > 1;
}

interface Pieces {
  readonly core: Core;
  readonly own: Side;
  readonly second: Side | null;
  readonly out: Output;
  readonly partnerOut: Output | null;
  readonly findings: Findings;
}

function assemble({ core, own, second, out, partnerOut, findings }: Pieces): AttentionHost {
  const { q, k, v } = own;
  const { heads, headDim } = q.rows;
  const kvHeads = k.rows.heads;
  const scale = Number.isNaN(core.scale) ? headDim ** -0.5 : core.scale;
  const linears = fusedBiases(core, sideLinears(own), findings);
  const rotation = rotationOf(own);
  const otherRotation = second && rotationOf(second);
  const joins = [own, second].some(
    (side) => side && (side.q.path.rotation?.joins || side.k.path.rotation?.joins),
  );
  const maps = [q, k, v].map((part) => part.path.map);
  const irregular = maps.map((map) => map.irregular).find((why) => why !== null) ?? null;
  return {
    kind: "attention",
    ...linears,
    out: out.map && linearOf(out.map, null),
    qkv: fusedMap(own),
    heads,
    kvHeads,
    headDim,
    scale: scale * q.path.scale * k.path.scale,
    ...masksOf(core, findings),
    rotation: joins ? null : rotation,
    joint: second && {
      ...sideLinears(second),
      out: partnerOut?.map ? linearOf(partnerOut.map, null) : null,
      rotation: joins ? null : (otherRotation ?? null),
    },
    cache: cacheOf(core, own),
    holdsMlp: out.holdsMlp,
    form: core.form,
    opaque:
      out.odd ??
      core.irregular ??
      (joins ? "its queries and keys are rotated after two streams are joined" : null) ??
      irregular ??
      (v.rows.headDim === headDim ? null : "its values differ from its keys in size"),
  };
}

function masksOf(
  { causal, masks }: Core,
  { constants }: Findings,
): Pick<AttentionHost, "causal" | "mask" | "maskIsBool" | "maskMeans" | "moreMasks"> {
  const given = masks.flatMap(({ wire, kind }) =>
    wire.value ? [{ value: wire.value, kind }] : [],
  );
  const [first, ...more] = given;
  return {
    causal: causal || masks.some((mask) => isCausal(mask, constants)),
    mask: first?.value ?? null,
    maskIsBool: first !== undefined && first.kind !== "added",
    maskMeans: first?.kind === "drop" ? "drop" : "keep",
    moreMasks: more.map(({ value, kind }) => ({ value, means: kind === "added" ? "add" : kind })),
  };
}

function sideLinears({ q, k, v }: Side): { q: Linear; k: Linear; v: Linear } {
  const linear = ({ path, rows }: Projected) => linearOf(path.map, rows.rows);
  return { q: linear(q), k: linear(k), v: linear(v) };
}

/** MultiHeadAttention adds the biases of q, k and v itself, from one vector. */
function fusedBiases(
  core: Core,
  linears: { q: Linear; k: Linear; v: Linear },
  { constants }: Findings,
): { q: Linear; k: Linear; v: Linear } {
  const wire = core.form === "MultiHeadAttention" ? core.op.inputs[3] : null;
  const bias = wire ? vectorOf(wire, null, constants) : null;
  if (!bias) return linears;
  const { q, k, v } = linears;
  const at = [0, q.out, q.out + k.out, q.out + k.out + v.out] as const;
  const given = (linear: Linear, i: 0 | 1 | 2): Linear => ({
    ...linear,
    bias: bias.value,
    biasRows: [at[i], at[i + 1]!],
  });
  return { q: given(q, 0), k: given(k, 1), v: given(v, 2) };
}

/** The map whose rows are q, k and v one after the other. */
function fusedMap({ q, k, v }: Side): Linear | null {
  const { map } = q.path;
  if (k.path.map !== map || v.path.map !== map) return null;
  const rows = [...q.rows.rows, ...k.rows.rows, ...v.rows.rows];
  const linear = linearOf(map, rows);
  return linear.order === null ? linear : null;
}

function rotationOf({ q, k }: Pick<Side, "q" | "k">): Rotation | null {
  const [a, b] = [q.path.rotation, k.path.rotation];
  const main = a ?? b;
  if (!main) return null;
  const still = (side: Projected) => ({ from: side.path.map.y, to: side.path.map.y });
  const [qs, ks] = [a ?? still(q), b ?? still(k)];
  const ends = [qs.from, qs.to, ks.from, ks.to].map((wire) => wire.value);
  if (ends.some((value) => value === null)) return null;
  const [qFrom, qTo, kFrom, kTo] = ends as Value[];
  const ops = new Set([...between(qs.from, qs.to), ...between(ks.from, ks.to)]);
  return {
    layout: main.layout,
    layoutOut: main.layoutOut,
    q: { from: qFrom!, to: qTo! },
    k: { from: kFrom!, to: kTo! },
    nodes: [...new Set([...ops].sort((a, b) => a.id - b.id).map((op) => op.place))],
  };
}

/** Operations on paths between two values, sizes that are computed from the values on the way included. */
function between(from: Wire, to: Wire): ReadonlySet<Op> {
  const below = new Set<Op>();
  const above = new Set<Op>();
  const up = to.from ? [to.from] : [];
  for (let op = up.pop(); op; op = up.pop()) {
    if (above.has(op) || op.id <= (from.from?.id ?? -1)) continue;
    above.add(op);
    for (const wire of op.inputs) if (wire?.from && wire !== from) up.push(wire.from);
  }
  for (const op of [...above].sort((a, b) => a.id - b.id)) {
    const reached = op.inputs.some(
      (wire) => wire && (wire === from || (wire.from && below.has(wire.from))),
    );
    if (reached) below.add(op);
  }
  return below;
}

/** Keys and values of earlier calls, and those handed on, as inputs and outputs of the graph. */
function cacheOf(core: Core, { k, v }: Side): AttentionHost["cache"] {
  const { graph } = core.op.place;
  const joined = [k, v].map(({ path }) => {
    const past = path.joined?.inputs.find(
      (wire) => wire?.value && graph?.inputs.includes(wire.value),
    );
    const ends = [path.joined?.outputs[0], path.rotation?.to, path.map.y];
    const present = ends.find((wire) => wire?.value && graph?.outputs.includes(wire.value));
    return { past: past?.value ?? null, present: present?.value ?? null };
  });
  const fused = core.form === "GroupQueryAttention" || core.form === "MultiHeadAttention";
  const offset = core.form === "GroupQueryAttention" ? 3 : 6;
  const at = (i: number) => ({
    past: fused ? (core.op.inputs[offset + i]?.value ?? null) : joined[i]!.past,
    present: fused ? (core.op.outputs[1 + i]?.value ?? null) : joined[i]!.present,
  });
  const [key, value] = [at(0), at(1)];
  const past = key.past && value.past ? ([key.past, value.past] as const) : null;
  const present = key.present && value.present ? ([key.present, value.present] as const) : null;
  return past || present ? { past, present } : null;
}

/** com.microsoft.Attention holds the projections of q, k and v as one weight [D, 3 D]. */
function packed(branch: Branch, core: Core, findings: Findings): AttentionMatch | string {
  const { op } = core;
  const weight = op.inputs[1]?.value;
  const [into, out] = weight?.initializer?.shape ?? [];
  const heads = core.heads;
  if (!weight || !into || !out || !heads) return "the weight of its operator is not understood";
  const width = out / 3;
  const row = (i: number): Linear => ({
    weight,
    layout: "in,out",
    bias: op.inputs[2]?.value ?? null,
    rows: [i * width, (i + 1) * width],
    order: null,
    biasRows: [i * width, (i + 1) * width],
    in: into,
    out: width,
    alpha: 1,
    opaque: op.type === "QAttention" ? "its weight is stored in integers" : null,
    nodes: new Set([op.place]),
  });
  const output = outputOf(branch, core, width / heads, findings);
  return {
    context: null,
    host: {
      kind: "attention",
      q: row(0),
      k: row(1),
      v: row(2),
      out: output.map && linearOf(output.map, null),
      qkv: { ...row(0), rows: [0, out], biasRows: [0, out], out },
      heads,
      kvHeads: heads,
      headDim: width / heads,
      scale: Number.isNaN(core.scale) ? (width / heads) ** -0.5 : core.scale,
      ...masksOf(core, findings),
      rotation: null,
      joint: null,
      cache: null,
      holdsMlp: output.holdsMlp,
      form: core.form,
      opaque: output.odd ?? core.irregular,
    },
  };
}
