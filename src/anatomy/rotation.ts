/** What norms and rotates q and k between their projections and the scores. */
import type { Value } from "../ir/graph.ts";
import type { Rotation } from "./anatomy.ts";
import type { Op, Wire } from "./flow.ts";
import type { Projected, Side } from "./projections.ts";

export function rotationOf({ q, k }: Pick<Side, "q" | "k">): Rotation | null {
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
