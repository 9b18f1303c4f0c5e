/** The terms of a residual sum, and the branches that end in them. */
import type { Op, Wire } from "./flow.ts";
import type { Linears } from "./linears.ts";
import { type Region, regionBetween } from "./region.ts";

/** Terms of a residual sum have one shape of rank 2 or more. */
export function mayEqual(a: Wire, b: Wire): boolean {
  const [left, right] = [a.value?.type?.shape, b.value?.type?.shape];
  if (!left || !right) return true;
  if (left.length !== right.length || left.length < 2) return false;
  return left.every((dim, i) => {
    const other = right[i];
    return typeof dim !== "number" || typeof other !== "number" || dim === other;
  });
}

/**
 * Of branches that meet in one sum, one may read what another ends in: x + a + mlp(norm(x) + a). It
 * begins where nothing else leads to its end any more.
 */
export function apart(regions: readonly Region[], linears: Linears): Region[] {
  return regions.map((region) => {
    const read = regions.filter(({ to }) => to.from && to !== region.to && region.has.has(to.from));
    return (read.length > 0 && ownEnd(region, read, linears)) || region;
  });
}

function ownEnd(region: Region, read: readonly Region[], { byOp }: Linears): Region | null {
  const ends = new Set(read.map(({ to }) => to));
  for (const op of region.ops) {
    const start = op.outputs[0];
    if (!start || !mayEqual(region.from, start)) continue;
    if (!ends.has(start) && read.some(({ has }) => has.has(op))) continue;
    // The bias of a projection stands behind its product.
    if (byOp.has(op) && start.uses.some((reader) => byOp.get(reader) === byOp.get(op))) continue;
    const own = regionBetween(start, region.to);
    if (own?.ops.some((each) => byOp.has(each)) && isAllOf(own, region)) return own;
  }
  return null;
}

/** Whether what leads to the end of a region all comes through a stretch of it. */
function isAllOf(own: Region, { from, has }: Region): boolean {
  const isInside = (wire: Wire) => wire === own.from || (wire.from && own.has.has(wire.from));
  const fromRegion = (wire: Wire) => wire === from || (wire.from && has.has(wire.from));
  return own.ops.every((op: Op) => op.data.every((wire) => isInside(wire) || !fromRegion(wire)));
}
