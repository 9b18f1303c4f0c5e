/** The way through an attention's scores: back from its softmax to q k^T, and on to the product with v. */
import type { Constants } from "./constants.ts";
import type { Mask } from "./cores.ts";
import type { Op, Wire } from "./flow.ts";
import { hidesGated } from "./gated-scores.ts";
import { isDataProduct, turnOf } from "./products.ts";
import { uniform } from "./uniform.ts";
import { shapeOf } from "./weights.ts";

const veryNegative = -1e30;
/** What hides a key where it stands in the place of a score: some models have no more than this. */
const hiding = -1e3;
const layoutOps = new Set(["Reshape", "Transpose", "Unsqueeze", "Squeeze", "Flatten", "Expand"]);
const through = new Set(["Identity", "Cast", "Dropout", "QuantizeLinear", "DequantizeLinear"]);
export interface Scores {
  readonly product: Op;
  readonly ops: readonly Op[];
  readonly scale: number;
  readonly masks: readonly Mask[];
  /** What they are multiplied by, as long as no mask hides what that makes zero. */
  readonly gate?: Wire | undefined;
  /** The product has keys down and queries across: the softmax reads it transposed. */
  readonly turned: boolean;
  readonly irregular: string | null;
}

/** Walks back from the softmax to the product of q and k, collecting scale and masks. */
export function scoresBehind(wire: Wire, constants: Constants, depth: number): Scores | null {
  const op = wire.from;
  if (!op || depth > 16) return null;
  if (isDataProduct(op)) {
    return { product: op, ops: [op], scale: 1, masks: [], turned: false, irregular: null };
  }
  const behind = (next: Wire | null | undefined) =>
    next && !next.constant ? scoresBehind(next, constants, depth + 1) : null;
  const extend = (found: Scores | null, change: Partial<Scores> = {}): Scores | null =>
    found && { ...found, ops: [...found.ops, op], ...change };
  const [a, b] = op.inputs;
  if (op.type === "Transpose") {
    const found = behind(a);
    const turn = turnOf(op);
    const masked = turn !== "none" && found && found.masks.length > 0;
    const odd = turn === "other" || masked ? "its scores are rearranged" : null;
    const irregular = found?.irregular ?? odd;
    return extend(found, { turned: (turn === "swap") !== found?.turned, irregular });
  }
  if (through.has(op.type) || layoutOps.has(op.type)) return extend(behind(a));
  if (op.type === "Mul" || op.type === "Div") {
    const right = constants.scalar(b);
    const factor = right ?? (op.type === "Mul" ? constants.scalar(a) : null);
    if (factor === null) {
      const found = multiplied(behind(a), op, b);
      return op.type === "Mul" ? (found ?? multiplied(behind(b), op, a)) : found;
    }
    const found = behind(right === null ? b : a);
    if (!found) return null;
    return extend(found, { scale: found.scale * (op.type === "Mul" ? factor : 1 / factor) });
  }
  if (op.type === "Add" && a && b && op.inputs.length === 2) {
    const [left, right] = [behind(a), behind(b)];
    const found = pick(left, right, a, b);
    if (!found) return null;
    const [scores, added] = found === left ? [a, b] : [b, a];
    // All keys of a head have the bias of mixed heads in common.
    if (scores.from && mixesHeads(scores.from) && shapeOf(added, constants)?.length === 1)
      return extend(found);
    return masked(found, op, { wire: added, means: "add" });
  }
  const peak = b?.from;
  if (op.type === "Sub" && peak?.type === "ReduceMax" && peak.inputs[0] === a) {
    const found = behind(a);
    // What all scores of a query have in common falls out of their softmax.
    if (overLast(peak, constants)) return extend(found && { ...found, ops: [...found.ops, peak] });
    return extend(found, { irregular: "its scores go through Sub" });
  }
  if (op.type === "Sub" && a && b && !behind(b)) {
    const found = behind(a);
    return found && masked(found, op, { wire: b, means: "subtract" });
  }
  if (op.type === "Where") return overwritten(op, behind, constants);
  if (mixesHeads(op)) {
    return extend(behind(a), { irregular: "its heads are mixed before the softmax" });
  }
  if (op.type === "Tanh") return extend(behind(a), { irregular: "its scores are capped by tanh" });
  // The lowest number of its type as a floor under masked scores changes none.
  const floor = op.type === "Max" ? (constants.scalar(b) ?? constants.scalar(a)) : null;
  if (floor !== null && floor <= veryNegative) return extend(behind(a) ?? behind(b));
  if (["Clip", "Max", "Min", "Concat", "Sub", "Slice", "Pad"].includes(op.type)) {
    const found = behind(a) ?? behind(b);
    return extend(found, { irregular: `its scores go through ${op.type}` });
  }
  return null;
}

/** A reduction of the last axis alone, which stays as one element. */
function overLast({ node, inputs }: Op, constants: Constants): boolean {
  const axes = node.ints("axes") ?? constants.known(inputs[1]);
  const rank = inputs[0]?.value?.type?.shape?.length;
  if (axes?.length !== 1 || node.int("keepdims") === 0) return false;
  return axes[0] === -1 || axes[0] === (rank ?? 0) - 1;
}

/** Scores of which a condition overwrites some: a mask, where what stands there then is far below the rest. */
function overwritten(
  op: Op,
  behind: (wire: Wire | null | undefined) => Scores | null,
  constants: Constants,
): Scores | null {
  const [condition, yes, no] = op.inputs;
  const [kept, dropped] = [behind(yes), behind(no)];
  const found = kept ?? dropped;
  if (!found || !condition) return null;
  const place = kept ? no : yes;
  const filler = constants.scalar(place) ?? (place && uniform(place)) ?? undefined;
  const odd =
    kept && dropped
      ? "its scores are chosen of several products"
      : filler !== undefined && filler > hiding
        ? "its scores are overwritten by what hides no key"
        : null;
  const mask: Mask = { wire: condition, means: kept ? "keep" : "drop", filler };
  return {
    ...found,
    ops: [...found.ops, op],
    masks: [...found.masks, mask],
    irregular: found.irregular ?? odd,
  };
}

/** Scores times a tensor: irregular, unless it is a gate and what it makes zero is hidden later. */
function multiplied(found: Scores | null, op: Op, by: Wire | null | undefined): Scores | null {
  if (!found) return null;
  const gate = op.type === "Mul" && !found.irregular && by ? by : undefined;
  const irregular = "its scores are multiplied by a tensor";
  return { ...found, ops: [...found.ops, op], irregular, gate };
}

/** Scores with what is added to them, or subtracted. */
function masked(found: Scores, op: Op, mask: Mask): Scores {
  const { gate } = found;
  const settled = gate && hidesGated(mask, gate) ? { irregular: null, gate: undefined } : {};
  return { ...found, ops: [...found.ops, op], masks: [...found.masks, mask], ...settled };
}

/** A constant matrix over the axis of heads (talking heads), between transposes of rank 4. */
function mixesHeads(op: Op): boolean {
  const [a, b] = op.inputs;
  const [scores, matrix] = [a?.value?.type?.shape, b?.value?.type?.shape];
  if (op.type !== "MatMul" || !b?.constant || scores?.length !== 4) return false;
  return matrix?.length === 2 && matrix[0] === matrix[1] && typeof matrix[0] === "number";
}

/** Of the two terms of scores, the product of q and k is the one nearer to the sum; a mask is not. */
function pick(left: Scores | null, right: Scores | null, a: Wire, b: Wire): Scores | null {
  if (!left || !right) return left ?? right;
  if (left.ops.length !== right.ops.length) {
    return left.ops.length < right.ops.length ? left : right;
  }
  const base = (a.from?.id ?? 0) < (b.from?.id ?? 0) ? left : right;
  return { ...base, irregular: "its scores are the sum of several products" };
}

export interface Tail {
  readonly product: Op;
  /** The operand of `product` that holds the softmax's weights. */
  readonly weights: Wire;
  readonly ops: readonly Op[];
  /** They reach it with keys down and queries across. */
  readonly turned: boolean;
  readonly irregular: string | null;
}

type Along = Omit<Tail, "product" | "weights"> & { readonly wire: Wire };

/** From the softmax to the product with v. */
export function valuesAfter(softmax: Op): Tail | null {
  const open: Along[] = [{ wire: softmax.outputs[0]!, ops: [], turned: false, irregular: null }];
  const seen = new Set<Wire>();
  for (let at = open.shift(); at; at = open.shift()) {
    const { wire, ops } = at;
    if (ops.length > 8 || seen.has(wire)) continue;
    seen.add(wire);
    for (const op of wire.uses) {
      if (isDataProduct(op)) {
        return { ...at, product: op, weights: wire, ops: [...ops, op] };
      }
      const next = op.outputs[0];
      if (!next) continue;
      const plain =
        through.has(op.type) ||
        layoutOps.has(op.type) ||
        (op.type === "Where" && op.inputs[0]?.from?.type === "IsNaN") ||
        op.type === "IsNaN";
      if (op.type === "IsNaN") continue;
      const changed =
        mixesHeads(op) ||
        ["Mul", "Slice", "Where", "Div", "Concat", "Split", "Add"].includes(op.type);
      if (!plain && !changed) continue;
      const turn = op.type === "Transpose" ? turnOf(op) : "none";
      const regular = plain && turn !== "other";
      const irregular = regular ? at.irregular : `its weights go through ${op.type}`;
      const turned = (turn === "swap") !== at.turned;
      const guard = op.type === "Where" ? op.inputs[0]?.from : null;
      open.push({ wire: next, ops: [...ops, ...(guard ? [guard] : []), op], turned, irregular });
    }
  }
  return null;
}
