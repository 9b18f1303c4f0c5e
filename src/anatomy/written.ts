/** Keys and values that are written into a buffer of as many tokens as there may ever be. */
import { normalAxis } from "../onnx-ops/op.ts";
import type { Op, Wire } from "./flow.ts";
import type { Layout } from "./layout.ts";
import type { Segment } from "./region.ts";

/** Which input is what they write: another one is what they write it into. */
const writers: Readonly<Record<string, number>> = {
  ScatterElements: 2,
  ScatterND: 2,
  TensorScatter: 1,
};

/** Whether a stretch writes its beginning, and that alone, into something else. */
export function isWritten({ from, ops }: Segment): boolean {
  const [op] = ops;
  const at = op && writers[op.type];
  if (ops.length !== 1 || at === undefined) return false;
  return op!.inputs.every((wire, i) => (wire === from) === (i === at));
}

/** The axis of tokens is as long as the buffer, and which steps it counts is not known any more. */
export function written(layout: Layout, op: Op, to: Wire): Layout | null {
  const axis = axisOf(op, layout.axes.length);
  const digits = axis === null ? undefined : layout.axes[axis];
  if (!digits) return null;
  const size = to.value?.type?.shape?.[axis!] ?? null;
  const fresh = [{ axis: digits[0]?.axis ?? -1, size, stride: null }];
  return { ...layout, axes: layout.axes.map((old, i) => (i === axis ? fresh : old)) };
}

/** The one axis along which places are chosen. */
function axisOf({ type, node, inputs }: Op, rank: number): number | null {
  if (type === "ScatterElements") return normalAxis(node.int("axis") ?? 0, rank);
  if (type === "TensorScatter") return normalAxis(node.int("axis") ?? -2, rank);
  const indices = inputs[1]?.value?.type?.shape;
  return indices?.length === 2 && indices[1] === 1 ? 0 : null;
}
