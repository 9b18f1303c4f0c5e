/** What outlives a call: an input of the model, and an output of the same form that follows from it. */
import type { Value } from "../ir/graph.ts";
import type { Branch } from "./branch.ts";
import type { Wire } from "./flow.ts";
import { isLayoutOp } from "./layout.ts";

/**
 * Back over what rearranges: an exporter joins a cache to nothing first, a sliding window keeps the
 * last few tokens of one, and keys may stand beside values in one tensor.
 */
export function before(wire: Wire): Wire {
  let first = wire;
  for (let from = first.from; from; from = first.from) {
    const alone = isLayoutOp(from) || (from.type === "Concat" && from.inputs.length === 1);
    if (!alone || !from.inputs[0]) return first;
    first = from.inputs[0];
  }
  return first;
}

/** The wire itself, and what it is rearranged to. */
export function after(wire: Wire): ReadonlySet<Wire> {
  const found = new Set([wire]);
  // What is added on the way is looked at, too.
  for (const each of found) {
    for (const op of each.uses) {
      if ((!isLayoutOp(op) && op.type !== "Concat") || !op.data.includes(each)) continue;
      for (const out of op.outputs) if (out) found.add(out);
    }
  }
  return found;
}

/** Whether a branch reads what an earlier call may have handed on, and hands on the like. */
export function keepsState({ from, ops }: Branch): boolean {
  const graph = ops[0]?.place.graph;
  if (!graph) return false;
  const stream = before(from);
  const past = ops
    .flatMap((op) => op.data.map(before))
    .filter((wire) => wire !== stream && wire.value && graph.inputs.includes(wire.value));
  if (past.length === 0) return false;
  const present = ops
    .flatMap((op) => op.outputs.flatMap((wire) => (wire ? [...after(wire)] : [])))
    .filter((wire) => wire.value && graph.outputs.includes(wire.value));
  return past.some((a) => present.some((b) => alike(a.value!, b.value!)));
}

/** Of one type, and of one size along every axis that is known: one at least. */
function alike({ type: a }: Value, { type: b }: Value): boolean {
  if (!a?.shape || !b?.shape || a.dtype !== b.dtype || a.shape.length !== b.shape.length) {
    return false;
  }
  const known = a.shape.map((dim, i) => [dim, b.shape![i]!] as const).filter(numbers);
  return known.length > 0 && known.every(([x, y]) => x === y);
}

const numbers = (dims: readonly unknown[]) => dims.every((dim) => typeof dim === "number");
