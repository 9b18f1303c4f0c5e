/** An attention taken apart: its projections, heads, scale, mask and rotation. */
import type { AttentionHost, Linear, Order } from "./anatomy.ts";
import { type Output, outputOf } from "./attention-output.ts";
import type { Branch, Findings } from "./branch.ts";
import { cacheOf, packedCacheOf } from "./cache.ts";
import type { Core } from "./cores.ts";
import { levelOf, type Wire } from "./flow.ts";
import { isJoined, sharesInGroups } from "./keys.ts";
import { hidesNothing, hidesOnlyLater, isCausal } from "./masks.ts";
import { unknownBias, withOperatorBias } from "./operator-bias.ts";
import { linearOf } from "./path.ts";
import { base, type Projected, pathsOf, projectionsOf, type Side } from "./projections.ts";
import { rotationOf } from "./rotation.ts";
import { type Meeting, meetingOf } from "./tokens.ts";
import { vectorOf } from "./weights.ts";

export interface AttentionMatch {
  readonly host: AttentionHost;
  /** What keys and values are made of where that is not the branch's own input. */
  readonly context: Wire | null;
  /** Of the branch's input. */
  readonly order: Order;
  readonly contextOrder: Order;
  /** Why it cannot be offered although it is understood. */
  readonly refused: string | null;
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
  const maps = projectionsOf(core, branch, stop, findings);
  if (typeof maps === "string") return maps;
  const own = pathsOf(maps.own, core, findings);
  if (typeof own === "string") return own;
  const second = maps.other && pathsOf(maps.other, core, findings);
  if (typeof second === "string") return second;
  const out = outputOf(branch, core, own.v.rows.headDim, findings);
  const partnerOut = partner && outputOf(partner, core, own.v.rows.headDim, findings);
  // Streams whose tokens are joined before the projections share them.
  const shared = partner && !second ? own : second;
  const dependent = core.masks.some(({ wire }) => wire.from && branch.has.has(wire.from));
  const host = assemble({ core, own, second: shared, out, partnerOut, dependent, findings });
  const context = maps.cross ? maps.own.v : maps.other?.v;
  const meetings = (maps.cross ? [own.q] : [own.q, own.k, own.v]).map(({ path }) =>
    meetingOf(branch.x, path, findings.constants),
  );
  const meeting = meetings.find((each) => each in apart) ?? meetings[0]!;
  const opaque = host.opaque ?? apartOf(meeting, shared !== null);
  const outside = context ? base(context.x) : null;
  const across = maps.cross && outside ? meetingOf(outside, own.v.path, findings.constants) : null;
  return {
    host: { ...host, opaque },
    context: outside,
    order: orderOf(meeting),
    contextOrder: orderOf(across),
    refused: meeting === "first" ? refusalOf(host) : null,
  };
}

function orderOf(meeting: Meeting | null): Order {
  if (meeting === "alone") return "N,D";
  return meeting === "first" ? "N,B,D" : "B,N,D";
}

/** Why an attention on [N, B, D] is not offered. */
function refusalOf(host: AttentionHost): string | null {
  const values = "its values are [N, B, D], tokens first";
  if (host.rotation) return `${values}, and its queries and keys are normed or rotated`;
  return host.joint ? `${values}, and two streams meet` : null;
}

const apart: Readonly<Partial<Record<Meeting, string>>> = {
  some: "its tokens attend within windows",
  part: "only some of its tokens attend to the others",
  joined: "tokens from elsewhere join its own before they attend",
  changed: "its input is changed before it is projected",
  unknown: "its tokens are rearranged before they attend",
};

/** Streams that are joined before their projections are rearranged by that alone. */
function apartOf(meeting: Meeting, joined: boolean): string | null {
  return joined && meeting !== "some" ? null : (apart[meeting] ?? null);
}

interface Pieces {
  readonly core: Core;
  readonly own: Side;
  readonly second: Side | null;
  readonly out: Output;
  readonly partnerOut: Output | null;
  /** A mask is computed from the branch itself. */
  readonly dependent: boolean;
  readonly findings: Findings;
}

function assemble({
  core,
  own,
  second,
  out,
  partnerOut,
  dependent,
  findings,
}: Pieces): AttentionHost {
  const { q, k, v } = own;
  const { heads, headDim } = q.rows;
  const kvHeads = k.rows.heads;
  const scale = Number.isNaN(core.scale) ? headDim ** -0.5 : core.scale;
  const products = sideLinears(own);
  const linears = withOperatorBias(core, own, products, findings.constants);
  const rotation = rotationOf(own);
  const otherRotation = second && rotationOf(second);
  const joins = [own, second].some(
    (side) => side && (side.q.path.rotation?.joins || side.k.path.rotation?.joins),
  );
  const cache = cacheOf(core, own);
  const maps = [q, k, v].map((part) => part.path.map);
  const irregular = maps.map((map) => map.irregular).find((why) => why !== null) ?? null;
  return {
    kind: "attention",
    ...(typeof linears === "string" ? products : linears),
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
    cache,
    holdsMlp: out.holdsMlp,
    form: core.form,
    guarded: core.guarded,
    opaque:
      out.odd ??
      core.irregular ??
      (dependent ? "what is added to its scores depends on its queries or keys" : null) ??
      (!second && !cache?.past && [k, v].some(isJoined)
        ? "keys and values from elsewhere join its own"
        : null) ??
      ([k, v].every((shared) => sharesInGroups(q, shared))
        ? null
        : "neighbouring heads do not share keys and values") ??
      (joins ? "its queries and keys are rotated after two streams are joined" : null) ??
      irregular ??
      (typeof linears === "string" ? linears : null) ??
      (v.path.rotation || v.path.scale !== 1 ? "its values are normed or scaled" : null) ??
      (v.rows.headDim === headDim ? null : "its values differ from its keys in size"),
  };
}

function masksOf(
  { causal, masks }: Core,
  { constants }: Findings,
): Pick<AttentionHost, "causal" | "onlyCausal" | "triangular" | "masks"> {
  const hiding = masks.filter((mask) => mask.wire.value && !hidesNothing(mask));
  const ordered = causal || masks.some((mask) => isCausal(mask, constants));
  return {
    causal: ordered,
    onlyCausal: ordered && hiding.every((mask) => hidesOnlyLater(mask, constants)),
    triangular: causal,
    masks: hiding.map(({ wire, ...meaning }) => ({ ...meaning, value: wire.value! })),
  };
}

function sideLinears({ q, k, v }: Side): { q: Linear; k: Linear; v: Linear } {
  const linear = ({ path, rows }: Projected) => linearOf(path.map, rows.rows);
  return { q: linear(q), k: linear(k), v: linear(v) };
}

/** The map whose rows are q, k and v one after the other. */
function fusedMap({ q, k, v }: Side): Linear | null {
  const { map } = q.path;
  if (k.path.map !== map || v.path.map !== map) return null;
  const rows = q.rows.rows.concat(k.rows.rows, v.rows.rows);
  const linear = linearOf(map, rows);
  return linear.order === null ? linear : null;
}

/** com.microsoft.Attention holds the projections of q, k and v as one weight [D, 3 D]. */
function packed(branch: Branch, core: Core, findings: Findings): AttentionMatch | string {
  const { op } = core;
  const weight = op.inputs[1]?.value;
  const bias = op.inputs[2];
  const [into, out] = weight?.initializer?.shape ?? [];
  const heads = core.heads;
  if (!weight || !into || !out || !heads) return "the weight of its operator is not understood";
  const width = out / 3;
  const row = (i: number): Linear => ({
    weight,
    layout: "in,out",
    bias: bias?.value ?? null,
    biasInput: null,
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
  const unknown = bias && !vectorOf(bias, out, findings.constants) ? unknownBias : null;
  return {
    context: null,
    order: "B,N,D",
    contextOrder: "B,N,D",
    refused: null,
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
      cache: packedCacheOf(core),
      holdsMlp: output.holdsMlp,
      form: core.form,
      guarded: core.guarded,
      opaque: output.odd ?? core.irregular ?? unknown,
    },
  };
}
