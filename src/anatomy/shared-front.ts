/** Branches side by side whose first projections are one product. */
import type { Op, Wire } from "./flow.ts";
import type { LinearMap, Linears } from "./linears.ts";
import type { Region } from "./region.ts";

const cutters = new Set(["Split", "Slice", "SplitToSequence", "SequenceAt"]);

/**
 * Whether all projections that two branches have in common are one, of whose features each reads
 * others: attention and MLP of ViT-22B and PaLM.
 */
export function shareFront(a: Region, b: Region, { byOp }: Linears): boolean {
  const shared = new Set(a.ops.flatMap((op) => (b.has.has(op) && byOp.get(op)) || []));
  const [map, ...more] = shared;
  if (!map || more.length > 0) return false;
  const read = cutBy(map, a);
  return [...cutBy(map, b)].every((wire) => !read.has(wire));
}

/** What a branch reads of a product, behind the operators that cut it. */
function cutBy(map: LinearMap, { has }: Region): Set<Wire> {
  const read = new Set<Wire>();
  const open = [map.y];
  const cuts = (op: Op) => cutters.has(op.type) && has.has(op);
  for (let wire = open.pop(); wire; wire = open.pop()) {
    const readers = wire.uses.filter((op) => has.has(op));
    if (readers.some((op) => !cuts(op))) read.add(wire);
    for (const op of readers.filter(cuts)) open.push(...op.outputs.flatMap((each) => each ?? []));
  }
  return read;
}

/** Whether operations are one projection, and what cuts its features. */
export function isFront([first, ...more]: readonly Op[], { byOp }: Linears): boolean {
  const map = first && byOp.get(first);
  return map !== undefined && more.every((op) => byOp.get(op) === map || cutters.has(op.type));
}
