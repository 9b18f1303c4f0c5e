/** Operations between the steps of a stream that leave it what it is. */
import type { Constants } from "./constants.ts";
import type { Op, Wire } from "./flow.ts";
import { carry, identityLayout } from "./layout.ts";

/** Tokens and batch may be one axis for a while. */
const reshapes: ReadonlySet<string> = new Set(
  "Reshape Flatten Squeeze Unsqueeze Cast Identity QuantizeLinear DequantizeLinear".split(" "),
);

/** What half precision needs: sums that are too large come down to the largest number there is. */
const guards = new Set([
  ...reshapes,
  "Clip",
  "IsInf",
  "IsNaN",
  "ReduceMax",
  "ReduceSum",
  "Greater",
  "Where",
  "Neg",
  "Not",
]);

/** The same elements in the same order, in another shape or within bounds. */
export function keepsOrder(ops: readonly Op[]): boolean {
  if (ops.every((op) => reshapes.has(op.type))) return true;
  return ops.some((op) => op.type === "Clip") && ops.every((op) => guards.has(op.type));
}

const movers = new Set([
  "Slice",
  "Split",
  "Concat",
  "Reshape",
  "Transpose",
  "Squeeze",
  "Unsqueeze",
  "Gather",
  "Cast",
  "Identity",
]);

/** Whether they keep a stream what it is, but for its order or an offset. */
export function keepsStream(ops: readonly Op[], stream: Wire): boolean {
  const own = new Set([stream, ...ops.flatMap(({ outputs }) => outputs)]);
  return ops.every((op) => movers.has(op.type) || isOffset(op, own));
}

/** Adds or multiplies by what comes from the side: a position table, a factor of each feature. */
function isOffset({ type, data }: Op, own: ReadonlySet<Wire | null>): boolean {
  return (type === "Add" || type === "Mul") && data.filter((wire) => own.has(wire)).length === 1;
}

/** A Slice, forwards, of as many elements as there are on each axis. */
export function isWhole({ inputs }: Op, from: Wire, to: Wire, constants: Constants): boolean {
  const [before, after] = [from.value?.type?.shape, to.value?.type?.shape];
  const steps = inputs[4] ? constants.known(inputs[4]) : [];
  if (!before || !after || !steps?.every((step) => step === 1)) return false;
  return before.every((dim, i) => dim !== null && dim === after[i]);
}

/**
 * All tokens of [B T, N, D] as [B N, T, D]: what was part of the batch are the tokens now, at most
 * with positions added. Features stay what they are.
 */
export function turnsBatch(
  from: Wire,
  to: Wire,
  ops: readonly Op[],
  constants: Constants,
): boolean {
  const own = new Set([from, ...ops.flatMap(({ outputs }) => outputs)]);
  let layout = identityLayout(from);
  const rank = layout?.axes.length ?? 0;
  for (const op of ops) {
    if (isOffset(op, own) || op.type === "Cast" || op.type === "Identity") continue;
    if (!layout || !(reshapes.has(op.type) || op.type === "Transpose")) return false;
    layout = carry(layout, op, op.outputs[0]!, constants);
  }
  const [tokens, features] = layout?.axes.slice(-2) ?? [];
  const [feature, ...more] = features ?? [];
  const whole = feature?.axis === rank - 1 && feature.size === to.value?.type?.shape?.at(-1);
  const meet = tokens?.every(({ axis }) => axis === 0) ?? false;
  return layout?.axes.length === rank && rank === 3 && whole && more.length === 0 && meet;
}
