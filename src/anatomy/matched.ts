/** What a rotation that is not looked into hands on: the axes that it was given, told by their sizes. */
import type { Dim } from "../ir/types.ts";
import { multiplyDims } from "../onnx-ops/dims.ts";
import type { Wire } from "./flow.ts";
import type { Layout } from "./layout.ts";

/** A value as it could be shaped, with where its elements lie. */
export interface Shaped {
  readonly shape: readonly Dim[] | null | undefined;
  readonly layout: Layout;
}

/** The same sizes, in the same order or in another. */
export function matched({ shape: before, layout }: Shaped, to: Wire): Layout | null {
  const after = to.value?.type?.shape;
  if (!before || !after) return null;
  if (before.length === after.length + 1) return joinedAhead(before, after, layout);
  if (before.length !== after.length) return null;
  if (before.every((dim, i) => dim === after[i])) return layout;
  // A name may have become a number on the way; sizes that are numbers must agree.
  const similar = before.every((dim, i) => dim === after[i] || isOpen(dim) !== isOpen(after[i]!));
  return turned({ shape: before, layout }, to) ?? (similar ? layout : null);
}

/** The same sizes in another order, no two of them alike; one name may have become a number. */
export function turned({ shape: before, layout }: Shaped, to: Wire): Layout | null {
  const after = to.value?.type?.shape;
  if (!before || after?.length !== before.length) return null;
  const found = after.map((dim) => before.indexOf(dim));
  const [left, ...more] = before.flatMap((_, axis) => (found.includes(axis) ? [] : axis));
  const named = left !== undefined && isOpen(before[left]!) && more.length === 0;
  const places = found.map((axis, i) => (axis < 0 && named && !isOpen(after[i]!) ? left : axis));
  const distinct = new Set(places).size === before.length && !places.includes(-1);
  return distinct ? { ...layout, axes: places.map((axis) => layout.axes[axis]!) } : null;
}

/** [B * H, N, d] behind [B, H, N, d]: the Reshape that ends a rotation joins batch and heads, too. */
function joinedAhead(
  [batch, heads, ...rest]: readonly Dim[],
  [first, ...others]: readonly Dim[],
  layout: Layout,
): Layout | null {
  const product = multiplyDims(batch ?? null, heads ?? null);
  if (rest.length !== 2 || rest.some((dim, i) => dim !== others[i])) return null;
  if (product !== first && !isOpen(first ?? null)) return null;
  const [a, b, ...tail] = layout.axes;
  return { ...layout, axes: [[...a!, ...b!], ...tail] };
}

function isOpen(dim: Dim): boolean {
  return typeof dim !== "number";
}

/** [B, N, H, d] where one Reshape makes heads and the pairs of features that rotate. */
export function inPairs(wire: Wire, { axes, ...layout }: Layout): Shaped | null {
  const shape = wire.value?.type?.shape;
  if (shape?.length !== 5 || axes.length !== 5) return null;
  const [a, b] = axes.slice(3);
  return {
    shape: [...shape.slice(0, 3), multiplyDims(shape[3]!, shape[4]!)],
    layout: { ...layout, axes: [...axes.slice(0, 3), [...a!, ...b!]] },
  };
}
