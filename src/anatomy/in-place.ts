/** Stretches that leave every axis of a value where it is, told by their operations alone. */
import { normalAxis } from "../onnx-ops/op.ts";
import type { Constants } from "./constants.ts";
import { sizeOf } from "./digits.ts";
import type { Op, Wire } from "./flow.ts";
import type { Layout } from "./layout.ts";
import type { Segment } from "./region.ts";

/**
 * Where sizes are not known, operations say as much that leave every axis where it is: what is cut
 * along an axis is joined along it again.
 */
export function inPlace(
  layout: Layout,
  to: Wire,
  between: readonly Segment[],
  constants: Constants,
): Layout | null {
  const after = to.value?.type?.shape;
  const rank = layout.axes.length;
  if (after?.length !== rank || !after.includes(null)) return null;
  if (!after.every((dim, i) => dim === null || dim === sizeOf(layout.axes[i]!))) return null;
  const ops = between.flatMap((segment) => segment.ops);
  if (!ops.every((op) => stays.test(op.type))) return null;
  const joined = ops.flatMap((op) => (op.type === "Concat" ? axesOf(op, rank, constants) : []));
  const cut = ops.flatMap((op) =>
    /^(Slice|Split)$/.test(op.type) ? axesOf(op, rank, constants) : [],
  );
  return cut.every((axis) => axis !== null && joined.includes(axis)) ? layout : null;
}

function axesOf(op: Op, rank: number, constants: Constants): (number | null)[] {
  const own = [op.node.int("axis") ?? 0];
  const axes = op.type === "Slice" ? (constants.known(op.inputs[3]) ?? [null]) : own;
  return axes.map((axis) => (axis === null ? null : normalAxis(axis, rank)));
}

const stays = /^(Slice|Split|Concat|Neg|Mul|Add|Sub|Div|Cast|Identity|Where)$/;
