/** An MLP taken apart: one or two projections in, a nonlinearity, one projection out. */

import { nameOf, sampled } from "./activations.ts";
import type { Linear, MlpHost } from "./anatomy.ts";
import type { Branch, Findings } from "./branch.ts";
import type { Op, Wire } from "./flow.ts";
import { carry, identityLayout, isLayoutOp, type Layout, layoutOfShape } from "./layout.ts";
import type { LinearMap } from "./linears.ts";
import { matchNorm } from "./norms.ts";
import { behindCasts } from "./pairs.ts";
import { linearOf } from "./path.ts";
import { base } from "./projections.ts";
import { type Region, regionBetween, segmentsOf } from "./region.ts";

/** A string says why it is not understood. */
export function takeMlpApart(
  branch: Branch,
  findings: Findings,
  x: Wire = branch.x,
): MlpHost | string {
  const out = branch.linears.at(-1);
  const into = branch.linears.slice(0, -1);
  if (!out || into.length === 0) return "it has fewer than two projections";
  if (into.length > 2) return "it has more than three projections";
  const regions = into.map((map) => regionBetween(map.y, out.x) ?? null);
  if (regions.some((region) => region === null) && into.some((map) => map.y !== out.x)) {
    return "its projections do not follow one another";
  }
  if (into[1] && regionBetween(into[0]!.y, into[1].x)) return "it has three projections in a row";
  if (into.some((map) => base(map.x) !== base(x))) return "its projections read several values";
  if (base(out.x) === base(x)) return "its projections read several values";
  const hidden = hiddenEnd(regions[0] ?? null, out, findings);
  const inner = into.map((map) => (map.y === hidden ? null : regionBetween(map.y, hidden)));
  const foreign = inner.flatMap((region) => region?.ops ?? []).find((op) => isForeign(op));
  if (foreign) return `its hidden units go through ${foreign.type}`;
  const gated = gateOf({ into, out, hidden }, findings);
  const host = gated ?? plain(into, inner, out, findings);
  if (typeof host === "string") return host;
  const irregular = [...into, out].map(oddityOf).find((why) => why !== null);
  const opaque =
    host.opaque ?? irregular ?? (hidden === out.x ? null : "its hidden units are normed");
  return { ...host, opaque };
}

function oddityOf({ irregular, split, axesRead }: LinearMap): string | null {
  return split || axesRead > 1 ? "its weight has more than two axes" : irregular;
}

/** The hidden units before a norm that some MLPs put in front of their last projection. */
function hiddenEnd(region: Region | null, out: LinearMap, { constants }: Findings): Wire {
  const segments = region ? segmentsOf(region) : [];
  const at = segments.findIndex((_, i) => {
    const norm = matchNorm(segments, i, constants);
    return norm !== null && i + norm.length === segments.length;
  });
  return at < 0 ? out.x : segments[at]!.from;
}

const known =
  /^(Mul|Add|Sub|Div|Pow|Cast|Concat|Sum|Clip|Min|Max|Where|Neg|Abs|Sqrt|Exp|Log|Erf|Sin|Cos|Tanh|Sigmoid|Relu|LeakyRelu|Elu|Selu|Celu|HardSigmoid|HardSwish|Softplus|Softsign|Mish|Gelu|FastGelu|QuickGelu|SplitGelu|Swish|BiasGelu|Greater|Less|GreaterOrEqual|LessOrEqual|Reciprocal)$/;

function isForeign(op: Op): boolean {
  return !known.test(op.type) && !isLayoutOp(op);
}

function plain(
  into: readonly LinearMap[],
  regions: readonly (Region | null)[],
  out: LinearMap,
  { constants }: Findings,
): MlpHost | string {
  const [map] = into;
  if (!map || into.length > 1) return "its two projections are not joined by a gate";
  if (map.out !== out.in) return "its hidden sizes do not match";
  const region = regions[0];
  const values = region ? sampled(region, constants) : null;
  const plainName = namedIn(region, map, values);
  // A factor of the activation may have moved into the product behind it: 0.5 of a tanh-gelu.
  const scaledName = values && out.alpha !== 1 && nameOf(values.map((y) => y * out.alpha));
  return {
    kind: "mlp",
    fc1: linearOf(map, null),
    fc2: linearOf(scaledName ? { ...out, alpha: 1 } : out, null),
    gate: null,
    hidden: out.in,
    activation: (scaledName || plainName) ?? "?",
    opaque: null,
  };
}

/** Rounding to integers from 0 on is a ReLU by itself: no identity then. */
function namedIn(
  region: Region | null | undefined,
  map: LinearMap,
  values: readonly number[] | null,
) {
  const name = region ? values && nameOf(values) : "identity";
  const rounds = [...map.ops, ...(region?.ops ?? [])].some((op) => op.type === "QuantizeLinear");
  return name === "identity" && rounds ? null : name;
}

interface End {
  readonly map: LinearMap;
  /** The rows that reach the product here. */
  readonly layout: Layout;
  readonly wire: Wire;
}

/** act(g) * u, where g and u are two projections, or two halves of one. */
function gateOf(
  { into, out, hidden }: { into: readonly LinearMap[]; out: LinearMap; hidden: Wire },
  { constants }: Findings,
): MlpHost | string | null {
  const fused = splitGelu(into, out);
  if (fused) return fused;
  const product = productBefore(hidden, constants);
  if (!product) return null;
  const [a, b] = product.inputs.map((wire) => wire && endOf(wire, into, constants));
  if (!a || !b || sameRows(a, b)) return null;
  const names = [a, b].map((end, i) => {
    const wire = product.inputs[i]!;
    const region = wire === end.wire ? null : regionBetween(end.wire, wire);
    if (wire === end.wire) return "identity";
    const values = region && sampled(region, constants);
    return (values && nameOf(values)) ?? "?";
  });
  const gateFirst = names[1] === "identity";
  const [gate, up] = gateFirst ? [a, b] : [b, a];
  const activation = gateFirst ? names[0]! : names[1]!;
  const both = names.every((name) => name !== "identity");
  const [g, u] = [rowsOf(gate), rowsOf(up)];
  if (!g || !u) return "the rows of its gate are not understood";
  return {
    kind: "mlp",
    fc1: u,
    fc2: linearOf(out, null),
    gate: g,
    hidden: out.in,
    activation: both ? "?" : activation,
    opaque: both ? "both sides of its gate have a nonlinearity" : null,
  };
}

/** BiasSplitGelu halves the features itself: first * gelu(second). */
function splitGelu(into: readonly LinearMap[], out: LinearMap): MlpHost | null {
  const op = out.x.from;
  const [map] = into;
  if (op?.type !== "SplitGelu" || !map || into.length > 1 || map.out !== 2 * out.in) return null;
  const rows = (start: number) => Array.from({ length: out.in }, (_, i) => start + i);
  return {
    kind: "mlp",
    fc1: linearOf(map, rows(0)),
    fc2: linearOf(out, null),
    gate: linearOf(map, rows(out.in)),
    hidden: out.in,
    activation: "gelu",
    opaque: null,
  };
}

/** The product that the out projection reads, behind layout operations and a factor of 1. */
function productBefore(wire: Wire, { scalar }: Findings["constants"]): Op | null {
  const isOne = ({ type, data, inputs }: Op) =>
    type === "Mul" && data.length === 1 && inputs.some((x) => scalar(x) === 1);
  let op = wire.from;
  while (op && (isLayoutOp(op) || isOne(op))) op = op.data[0]?.from ?? null;
  return op?.type === "Mul" && op.data.length === 2 ? op : null;
}

/** Back over the nonlinearity to the projection, or to the slice of it, that all paths come from. */
function endOf(
  wire: Wire,
  into: readonly LinearMap[],
  constants: Findings["constants"],
): End | null {
  for (const map of into) {
    const layout = ownLayout(map.y);
    if (!layout) continue;
    if (wire === map.y) return { map, layout, wire };
    const region = regionBetween(map.y, wire);
    if (!region) continue;
    let at: End = { map, layout, wire: map.y };
    for (const op of region.ops) {
      if (!op.data.includes(at.wire) || !isLayoutOp(op) || isForked(at.wire, region)) break;
      const next = op.outputs.find(
        (output) => output && (output === wire || regionBetween(output, wire)),
      );
      const carried = next && carry(at.layout, op, next, constants);
      if (!next || !carried) break;
      at = { map, layout: carried, wire: next };
    }
    return at;
  }
  return null;
}

/** Whether paths of the region part at the wire: what follows on one of them is not all of it. */
function isForked(wire: Wire, { has }: Region): boolean {
  return wire.uses.filter((op) => has.has(op) && op.data.includes(wire)).length > 1;
}

/** Where a fused operator adds the bias, what it makes in the end has the shape of the sum. */
function ownLayout(wire: Wire): Layout | null {
  const shape = wire.from?.place.outputs[0]?.type?.shape;
  return identityLayout(wire) ?? (wire.value || !shape ? null : layoutOfShape(shape));
}

function sameRows(a: End, b: End): boolean {
  return a.map === b.map && behindCasts(a.wire) === behindCasts(b.wire);
}

function rowsOf({ map, layout }: End): Linear | null {
  const features = -map.featureAxis;
  const digits = layout.axes.flat().filter((digit) => digit.axis === rankOf(map) - features);
  const [digit, ...more] = digits;
  if (!digit || more.length > 0 || typeof digit.size !== "number") return null;
  if (typeof digit.stride !== "number") return null;
  const start = layout.offsets.get(digit.axis) ?? 0;
  const { size, stride } = digit;
  const rows = Array.from({ length: size }, (_, i) => start + i * stride);
  return linearOf(map, rows.length === map.out && stride === 1 ? null : rows);
}

function rankOf(map: LinearMap): number {
  return map.y.value?.type?.shape?.length ?? 3;
}
