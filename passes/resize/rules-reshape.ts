/** Reshape: where marked axes go when axes are split and merged. */
import type { Dim } from "../../src/ir/types.ts";
import { type Mark, type Rule, sizeOf, type View } from "./marks.ts";

export const reshape: Rule = (view) => {
  const mark = view.mark(0);
  if (!mark) return [null];
  const moved = landing(mark, view);
  const size = sizeOf(moved, view.resized) ?? -1;
  const target = view.stored(1);
  if (!target) {
    // A computed target may count with the old size in any of its elements.
    const dims = view.outputShape(0).map((dim) => (typeof dim === "number" ? dim : null));
    view.setInts(1, dims.with(moved.axis, size));
    return [moved];
  }
  const entry = target[moved.axis]!;
  const copies = entry === 0 && moved.axis === mark.axis && !view.node.int("allowzero");
  if (entry !== -1 && !copies) view.setInts(1, target.with(moved.axis, size));
  return [moved];
};

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
  const innermost = product(before.slice(mark.axis + 1, last + 1), view) * mark.inner;
  const outermost = innermost * view.units;
  const found: Mark[] = [];
  let passed = 1;
  for (let axis = at; axis >= 0 && passed <= innermost && innermost % passed === 0; axis--) {
    const dim = after[axis]!;
    const inner = innermost / passed;
    if (typeof dim !== "number") {
      found.push({ axis, outer: null, inner });
      break;
    }
    const next = passed * dim;
    if (next % outermost === 0) found.push({ axis, outer: next / outermost, inner });
    passed = next;
  }
  // Only a single unit leaves a choice: an axis that counts nothing else, or features behind it.
  const runs = ({ outer }: Mark) => outer ?? Number.POSITIVE_INFINITY;
  const [landed] = found.sort((a, b) => runs(a) - runs(b) || a.inner - b.inner);
  return landed ?? view.refuse("it folds them into other axes");
}

function product(dims: readonly Dim[], view: View): number {
  return dims.reduce<number>((all, dim) => {
    return typeof dim === "number" ? all * dim : view.refuse("it has an axis of unknown size");
  }, 1);
}
