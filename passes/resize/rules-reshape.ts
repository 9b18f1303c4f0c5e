/** Reshape: where marked axes go when axes are split and merged. */
import type { Dim } from "../../src/ir/types.ts";
import { type Entry, type Mark, type Rule, sizeOf, type View } from "./marks.ts";

export const reshape: Rule = (view) => {
  const mark = view.mark(0);
  if (!mark) return [null];
  const moved = landing(mark, view);
  const size = sizeOf(moved, view.resized);
  const target = view.stored(1);
  if (!target) {
    // A computed target may count with the old size in any of its elements.
    const dims = view.outputShape(0).map((dim): Entry => (typeof dim === "number" ? dim : null));
    view.setInts(1, dims.with(moved.axis, size ?? sizeAtRuntime(moved.axis, view)));
    return [moved];
  }
  const entry = target[moved.axis]!;
  const copies = entry === 0 && moved.axis === mark.axis && !view.node.int("allowzero");
  if (entry !== -1 && !copies) view.setInts(1, target.with(moved.axis, size ?? -1));
  return [moved];
};

/** Batch and heads as one axis: what the host computes for it, unless that counts the units itself. */
function sizeAtRuntime(axis: number, view: View): Entry {
  const entry = view.ints(1)?.[axis];
  return entry === null && !view.counted(1) ? "scaled" : -1;
}

/**
 * What lies behind the units keeps its number of elements: the axes of the result are walked from the
 * end until it is reached.
 */
function landing(mark: Mark, view: View): Mark {
  const [before, after] = [view.shape(0), view.outputShape(0)];
  let [last, at] = [before.length - 1, after.length - 1];
  const same = () => before[last] !== null && before[last] === after[at];
  while (last > mark.axis && same() && (view.units > 1 || typeof before[last] === "string")) {
    last -= 1;
    at -= 1;
  }
  // Elements behind one unit, and behind all that one run of units holds.
  const behind = before.slice(mark.axis + 1, last + 1);
  if (behind.includes(null)) return view.refuse("it has an axis of unknown size");
  const innermost = product(behind) * mark.inner;
  const outermost = innermost * view.units;
  /** Sizes behind one unit that only the runtime knows, and that were not met yet. */
  const open = behind.filter((dim) => typeof dim === "string");
  const found: Mark[] = [];
  let passed = 1;
  for (let axis = at; axis >= 0 && passed <= innermost && innermost % passed === 0; axis--) {
    const dim = after[axis]!;
    const inner = innermost / passed;
    if (typeof dim !== "number") {
      const met = dim === null ? -1 : open.indexOf(dim);
      if (met >= 0) {
        open.splice(met, 1);
        continue;
      }
      if (open.length === 0) found.push({ axis, outer: null, inner });
      break;
    }
    const next = passed * dim;
    if (open.length === 0 && next % outermost === 0) {
      found.push({ axis, outer: next / outermost, inner });
    }
    passed = next;
  }
  // Only a single unit leaves a choice: an axis that counts nothing else, or features behind it.
  const runs = ({ outer }: Mark) => outer ?? Number.POSITIVE_INFINITY;
  const [landed] = found.sort((a, b) => runs(a) - runs(b) || a.inner - b.inner);
  return landed ?? view.refuse("it folds them into other axes");
}

/** Of the sizes that are known. */
function product(dims: readonly Dim[]): number {
  return dims.reduce<number>((all, dim) => (typeof dim === "number" ? all * dim : all), 1);
}
