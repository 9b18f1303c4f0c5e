/** From a core back to the projections that make q, k and v, and which of their rows heads are. */
import type { Branch, Findings } from "./branch.ts";
import type { Core } from "./cores.ts";
import type { Wire } from "./flow.ts";
import type { LinearMap } from "./linears.ts";
import { headRows, type Path, tracePath } from "./path.ts";

export interface Projections {
  readonly own: Record<"q" | "k" | "v", LinearMap>;
  /** Those of the second stream, where its tokens are joined to the keys and values. */
  readonly other: Record<"q" | "k" | "v", LinearMap> | null;
  /** Keys and values are made of something else than the branch's own input. */
  readonly cross: boolean;
}

/** The linear maps that make q, k and v; a string says why they are not known. */
export function projectionsOf(
  core: Core,
  branch: Branch,
  stop: number,
  findings: Findings,
): Projections | string {
  const behind = (wire: Wire) => mapsBehind(wire, branch, stop, findings);
  const [q, k, v] = [behind(core.q), behind(core.k), behind(core.v)];
  if (!q.own[0]) return "no projection of the stream makes its queries";
  const cross = k.own.length === 0 && v.own.length === 0;
  if (q.own.length > 1 || k.own.length > 1 || v.own.length > 1) {
    return "several projections make its queries, keys or values";
  }
  const values = cross ? nearest(v.other, core.v) : v.own[0];
  if (!values) return "no projections make its keys and values";
  // Tables of angles may be made by projections too: those of keys read what those of values read.
  const beside = (maps: readonly LinearMap[], wire: Wire, map: LinearMap) =>
    maps.find((each) => base(each.x) === base(map.x)) ?? nearest(maps, wire);
  const keys = cross ? beside(k.other, core.k, values) : k.own[0];
  if (!keys) return "no projections make its keys and values";
  const own = { q: q.own[0], k: keys, v: values };
  const second = cross ? undefined : nearest(v.other, core.v);
  if (!second) return { own, other: null, cross };
  const [q2, k2] = [beside(q.other, core.q, second), beside(k.other, core.k, second)];
  if (!q2 || !k2) return "another value joins its keys and values";
  return { own, other: { q: q2, k: k2, v: second }, cross };
}

interface Maps {
  readonly own: readonly LinearMap[];
  readonly other: readonly LinearMap[];
}

/** The linear maps that a core's input is made of, each reached first from it. */
function mapsBehind(wire: Wire, branch: Branch, stop: number, { linears }: Findings): Maps {
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
      if (seen.has(input) || seen.size > farthest) continue;
      if (input.from && input.from.level < stop && own.length > 0) continue;
      seen.add(input);
      open.push(input);
    }
  }
  return { own, other };
}

/** Of several projections the last made whose features are whole heads. */
function nearest(maps: readonly LinearMap[], end: Wire): LinearMap | undefined {
  const wide = end.value?.type?.shape?.at(-1);
  const fits = maps.filter((map) => typeof wide !== "number" || map.out % wide === 0);
  return [...(fits.length > 0 ? fits : maps)].sort((a, b) => b.op.level - a.op.level)[0];
}

const farthest = 400;
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

export interface Side {
  readonly q: Projected;
  readonly k: Projected;
  readonly v: Projected;
}

export interface Projected {
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
  if (!rows) return null;
  // A bias of these rows alone lies as they do, one behind the other.
  const ordered = rows.rows.every((row, i) => row === rows.rows[0]! + i);
  return path.map === map || ordered ? { path, rows } : null;
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

export function pathsOf(
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
