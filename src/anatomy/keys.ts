/** Which keys and values the heads of the queries read. */
import type { Wire } from "./flow.ts";
import type { Projected } from "./projections.ts";
import { regionBetween } from "./region.ts";

/** Whether the ends of other paths are joined to a projection's. */
export function isJoined({ path: { joined, map } }: Projected): boolean {
  const region = joined && regionBetween(map.y, joined.outputs[0]!);
  const own = (wire: Wire) => wire === map.y || (wire.from && region?.has.has(wire.from));
  return joined?.inputs.some((wire) => wire && !own(wire)) ?? false;
}

/**
 * Heads 0 .. g-1 of the queries read the first head of keys, and so on: repeats, or axes of size 1
 * that broadcast, stand behind the keys' own heads.
 */
export function sharesInGroups(q: Projected, { path, rows }: Projected): boolean {
  if (rows.heads === q.rows.heads || rows.heads === 1) return true;
  const [wide, narrow] = [q.path, path].map(({ layout }) => layout.axes.slice(0, -2));
  let repeated = false;
  for (const [i, digits] of narrow!.entries()) {
    const queries = wide!.at(i - narrow!.length) ?? [];
    if (!queries.some(({ axis }) => axis === q.path.features)) continue;
    if (digits.length === 0) repeated = true;
    for (const { axis, stride } of digits) {
      if (axis === path.features && stride !== 0 && repeated) return false;
      if (axis < 0) repeated = true;
    }
  }
  return true;
}
