/** `host`: what stood in the place before, as an operator may name it. */
import type { AttentionHost, Linear, MlpHost, Part } from "../anatomy/anatomy.ts";
import { fail } from "../diag/diagnostic.ts";
import { nearest } from "../diag/suggest.ts";
import type { Extent, HostMap, HostRows, Val } from "./values.ts";

export interface Host {
  readonly part: Part | null;
  /** `blocks[1].attn`, for messages. */
  readonly site: string;
  /** B and N. */
  readonly batch: Extent;
  readonly tokens: Extent;
  /** M of what it attends to: N but in cross-attention. */
  readonly keys: Extent;
  /** D. */
  readonly width: number;
  /** H; null (`none`) where the place has none. */
  readonly heads: number | null;
  /** What the operator has made use of, for the warnings about what it has not. */
  readonly used: { rotation: boolean; mask: boolean; order: boolean };
}

/** Linear maps of a part, whatever kind it is. */
export function linearsOf(part: Part | null): Linear[] {
  const host = part?.host;
  if (host?.kind === "attention") {
    return [host.q, host.k, host.v, host.out].filter((linear) => linear !== null);
  }
  if (host?.kind === "mlp") return [host.fc1, host.fc2];
  return host?.kind === "other" ? [...host.linears] : [];
}

/** The layout that most of these have. */
export function commonLayout(linears: readonly Linear[]): Linear["layout"] {
  const turned = linears.filter(({ layout }) => layout === "out,in").length;
  return turned * 2 > linears.length ? "out,in" : "in,out";
}

/** Members that are maps of the host, and where each is found. */
const attentionMaps: Readonly<Record<string, (host: AttentionHost) => readonly (Linear | null)[]>> =
  {
    q: ({ q }) => [q],
    k: ({ k }) => [k],
    v: ({ v }) => [v],
    qkv: ({ qkv, q, k, v }) => (qkv ? [qkv] : [q, k, v]),
    out: ({ out }) => [out],
    context_q: ({ joint }) => [joint?.q ?? null],
    context_k: ({ joint }) => [joint?.k ?? null],
    context_v: ({ joint }) => [joint?.v ?? null],
    context_qkv: ({ joint }) => [joint?.q ?? null, joint?.k ?? null, joint?.v ?? null],
    context_out: ({ joint }) => [joint?.out ?? null],
  };

const mlpMaps: Readonly<Record<string, (host: MlpHost) => readonly (Linear | null)[]>> = {
  fc1: ({ fc1 }) => [fc1],
  fc2: ({ fc2 }) => [fc2],
  gate: ({ gate }) => [gate],
};

type Geometry = Pick<AttentionHost, "heads" | "kvHeads" | "headDim" | "scale">;

const facts: Readonly<Record<string, (host: Geometry) => number>> = {
  /** Of the scores. */
  scale: ({ scale }) => scale,
  kv_heads: ({ kvHeads }) => kvHeads,
  head_dim: ({ headDim }) => headDim,
};

/** Members that are computed in the graph; replay.ts has them. */
const replayed = ["rotate", "mask", "seen"];

const memberNames = [
  ...Object.keys(attentionMaps),
  ...Object.keys(mlpMaps),
  ...Object.keys(facts),
  "heads",
  "causal",
  ...replayed,
];

/**
 * `host.q`, `host.fc1`, `host.scale`, ... A map that this host lacks is an empty one.
 * @throws GraftError where no host has such a member, or this one cannot say it.
 */
export function hostMember(host: Host, name: string): Val {
  checkMember(name);
  const found = host.part?.host;
  if (name === "heads") return host.heads;
  if (name === "causal") {
    host.used.order = true;
    return found?.kind === "attention" && found.causal;
  }
  if (name in facts) {
    return facts[name]!(found?.kind === "attention" ? found : usual(host));
  }
  return mapOf(host, name);
}

/** @throws GraftError where no host has such a member. */
export function checkMember(name: string): void {
  if (memberNames.includes(name)) return;
  const close = nearest(name, memberNames);
  const hint = close ? `did you mean \`host.${close}\`?` : `it has ${memberNames.join(", ")}`;
  throw fail("unknown-host-part", { name }, { hint });
}

/** What an attention of the block's heads would have, where the host is none that is understood. */
function usual({ site, heads, width }: Host): Geometry {
  if (heads === null) {
    throw fail("size-unknown-here", {
      name: "host",
      why: `${site} has no heads that graftc found`,
    });
  }
  const headDim = width / heads;
  return { heads, kvHeads: heads, headDim, scale: headDim ** -0.5 };
}

function mapOf({ part, site }: Host, name: string): HostMap {
  const host = part?.host;
  const linears =
    host?.kind === "attention"
      ? attentionMaps[name]?.(host)
      : host?.kind === "mlp"
        ? mlpMaps[name]?.(host)
        : undefined;
  const pieces = linears?.every((linear) => linear !== null) ? linears.map(allRows) : [];
  const opaque = host?.kind !== "norm" ? host?.opaque : null;
  if (pieces.length > 0 && !opaque) return { kind: "host-map", name, pieces, missing: null };
  const missing = opaque ?? `${site} has no \`${name}\``;
  return { kind: "host-map", name, pieces: [], missing };
}

function allRows(linear: Linear): HostRows {
  return { linear, from: 0, to: linear.out };
}

/** Whether some row of a map has a bias; as layers usually do, where the host has no such map. */
export function hasBias({ pieces }: HostMap): boolean {
  return pieces.length === 0 || pieces.some(({ linear }) => linear.bias !== null);
}

/** Several maps, one below the other. */
export function stackMaps(maps: readonly HostMap[]): HostMap {
  return {
    kind: "host-map",
    name: maps.map(({ name }) => name).join(", "),
    pieces: maps.flatMap(({ pieces }) => pieces),
    missing: maps.find(({ missing }) => missing)?.missing ?? null,
  };
}

/** Rows `from` to `to` of a map, half-open, within its bounds. */
export function sliceMap(map: HostMap, from: number, to: number): HostMap {
  let start = 0;
  const pieces = map.pieces.flatMap((piece) => {
    const length = piece.to - piece.from;
    const [first, last] = [Math.max(from - start, 0), Math.min(to - start, length)];
    start += length;
    return first < last ? [{ ...piece, from: piece.from + first, to: piece.from + last }] : [];
  });
  return { ...map, pieces };
}
