/** What norms and rotates q and k between their projections and the scores. */
import type { Rotation, Turn } from "./anatomy.ts";
import type { Op, Wire } from "./flow.ts";
import type { Projected, Side } from "./projections.ts";

export function rotationOf({ q, k }: Pick<Side, "q" | "k">): Rotation | null {
  if (!q.path.rotation && !k.path.rotation) return null;
  const [qs, ks] = [spanOf(q), spanOf(k)];
  const turns = [turnOf(qs), turnOf(ks)] as const;
  if (!turns[0] || !turns[1]) return null;
  const ops = new Set([...between(qs.from, qs.to), ...between(ks.from, ks.to)]);
  return {
    q: turns[0],
    k: turns[1],
    nodes: [...new Set([...ops].sort((a, b) => a.id - b.id).map((op) => op.place))],
  };
}

type Span = Omit<NonNullable<Projected["path"]["rotation"]>, "joins">;

/** What is not rotated leaves as it enters. */
function spanOf({ path: { rotation, map } }: Projected): Span {
  return rotation ?? { from: map.y, to: map.y, layout: "B,N,HD", layoutOut: "B,N,HD" };
}

function turnOf({ from, to, layout, layoutOut }: Span): Turn | null {
  return from.value && to.value && { from: from.value, to: to.value, layout, layoutOut };
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
