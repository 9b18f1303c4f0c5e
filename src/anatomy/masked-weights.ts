/** Weights of an attention that are masked behind their softmax, and made to sum to 1 again. */
import type { Constants } from "./constants.ts";
import type { Mask } from "./cores.ts";
import type { Op, Wire } from "./flow.ts";

export interface MaskedWeights {
  /** The last operation. */
  readonly op: Op;
  readonly ops: readonly Op[];
  readonly mask: Mask;
  /** A query that sees no key gets zeros. */
  readonly guarded: boolean;
}

/** w m / sum(w m) = softmax(s + log m) for w = softmax(s), where m is made of a boolean. */
export function maskedWeights(weights: Wire, constants: Constants): MaskedWeights | null {
  const [product, ...others] = weights.uses;
  const kept = product?.outputs[0];
  if (!kept || others.length > 0 || product.type !== "Mul") return null;
  const cast = product.inputs.find((wire) => wire !== weights)?.from;
  const wire = cast?.type === "Cast" ? cast.inputs[0] : null;
  const total = kept.uses.find(({ type }) => type === "ReduceSum");
  const quotient = kept.uses.find(({ type, inputs }) => type === "Div" && inputs[0] === kept);
  if (wire?.value?.type?.dtype !== "bool" || !total || !quotient || kept.uses.length !== 2) {
    return null;
  }
  const sum = total.outputs[0]!;
  if (!reducesLast(sum, kept)) return null;
  const mask: Mask = { wire, means: "keep" };
  const divisor = quotient.inputs[1]!;
  const ops = [product, total, quotient];
  if (divisor === sum) return { op: quotient, ops, mask, guarded: false };
  // Where nothing is kept, the divisor is 1, and what was divided is 0 already.
  const guard = divisor.from;
  const positive = guard?.inputs[0];
  if (!guard || !positive || !isPositive(positive, sum, constants)) return null;
  if (!isChoice(guard, [positive, sum, 1], constants)) return null;
  ops.push(guard, positive.from!);
  const [last, ...rest] = quotient.outputs[0]!.uses;
  if (!last || rest.length > 0 || !isChoice(last, [positive, quotient.outputs[0]!, 0], constants)) {
    return { op: quotient, ops, mask, guarded: true };
  }
  return { op: last, ops: [...ops, last], mask, guarded: true };
}

function reducesLast(sum: Wire, of: Wire): boolean {
  const [left, whole] = [sum.value?.type?.shape, of.value?.type?.shape];
  return left?.at(-1) === 1 && left.length === whole?.length && whole.at(-1) !== 1;
}

function isPositive({ from }: Wire, x: Wire, { scalar }: Constants): boolean {
  return from?.type === "Greater" && from.inputs[0] === x && scalar(from.inputs[1]) === 0;
}

/** Where(condition, x, otherwise) */
function isChoice(
  { type, inputs }: Op,
  [condition, x, otherwise]: readonly [Wire, Wire, number],
  { scalar }: Constants,
): boolean {
  return (
    type === "Where" &&
    inputs[0] === condition &&
    inputs[1] === x &&
    scalar(inputs[2]) === otherwise
  );
}
