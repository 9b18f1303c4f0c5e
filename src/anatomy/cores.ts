/**
 * The core of an attention, wherever it stands: softmax(scale * q k^T + mask) v between products of
 * data with data, or one fused operator. What q, k and v come from is not looked at here.
 */
import type { MaskMeaning } from "./anatomy.ts";
import type { Constants } from "./constants.ts";
import type { Flow, Op, Wire } from "./flow.ts";
import { fusedCore } from "./fused-attention.ts";
import { maskedWeights } from "./masked-weights.ts";
import { operandsOf, weightedOf } from "./products.ts";
import { scoresBehind, valuesAfter } from "./scores.ts";

export type CoreForm =
  | "decomposed"
  | "Attention"
  | "MultiHeadAttention"
  | "GroupQueryAttention"
  | "other";

export interface Core {
  readonly form: CoreForm;
  /** The softmax, or the fused operator. */
  readonly op: Op;
  readonly q: Wire;
  readonly k: Wire;
  readonly v: Wire;
  /** Axes of q, k and v in the order [.., tokens, features], where a product reads them otherwise. */
  readonly axes: { readonly q: Axes; readonly k: Axes; readonly v: Axes };
  /** q, k and v are one value, their features one after the other. */
  readonly packed: boolean;
  /** The last two axes of `k` are [d, M], as the product reads it; else [M, d]. */
  readonly keysTransposed: boolean;
  /** What comes out of the product with v. */
  readonly y: Wire;
  /** The axis of `y` that holds a head's features, from the end. */
  readonly features: -1 | -2;
  /** From the product of q and k to `y`. */
  readonly ops: readonly Op[];
  /** Factor of the scores between the product and the softmax. */
  readonly scale: number;
  /** In the order in which they meet the scores. */
  readonly masks: readonly Mask[];
  readonly causal: boolean;
  /** Weights that are no number become 0. */
  readonly guarded: boolean;
  /** Heads as a fused operator's attributes have them. */
  readonly heads: number | null;
  readonly kvHeads: number | null;
  /** Why it is more than scale, mask and softmax; null where it is not. */
  readonly irregular: string | null;
}

export type Axes = readonly number[] | null;

export type Mask = MaskMeaning & { readonly wire: Wire };

export function findCores(flow: Flow, constants: Constants): Core[] {
  const cores: Core[] = [];
  for (const op of flow.ops) {
    if (op.data.length === 0) continue;
    const softmax = softmaxAt(op);
    const core = softmax ? aroundSoftmax(softmax, constants) : fusedCore(op, constants);
    if (core) cores.push(core);
  }
  return cores;
}

interface Softmax {
  /** Its last operation. */
  readonly op: Op;
  readonly x: Wire;
  readonly ops: readonly Op[];
}

/** A Softmax over the last axis, or exp(x - max x) / sum exp(x - max x). */
function softmaxAt(op: Op): Softmax | null {
  const x = op.inputs[0];
  if (!x) return null;
  if (op.type === "Softmax") {
    const rank = x.value?.type?.shape?.length;
    const axis = op.node.int("axis") ?? -1;
    const last = axis === -1 || rank === undefined || axis === rank - 1;
    return last ? { op, x, ops: [op] } : null;
  }
  const [exp, sum] = [x.from, op.inputs[1]?.from];
  if (op.type !== "Div" || exp?.type !== "Exp" || sum?.type !== "ReduceSum") return null;
  if (sum.inputs[0] !== x) return null;
  const less = exp.inputs[0]?.from;
  const max = less?.type === "Sub" ? less.inputs[1]?.from : null;
  if (less && max?.type === "ReduceMax" && max.inputs[0] === less.inputs[0]) {
    return { op, x: max.inputs[0]!, ops: [max, less, exp, sum, op] };
  }
  return { op, x: exp.inputs[0]!, ops: [exp, sum, op] };
}

function aroundSoftmax({ op: softmax, x, ops }: Softmax, constants: Constants): Core | null {
  const scores = scoresBehind(x, constants, 0);
  const masked = scores && maskedWeights(softmax.outputs[0]!, constants);
  const tail = scores && valuesAfter(masked?.op ?? softmax);
  if (!tail) return null;
  const operands = operandsOf(scores.product, scores.turned);
  const out = weightedOf(tail.product, tail.weights, tail.turned);
  if (!operands || !out) return null;
  // What a mask hides is as far below the rest as the integers reach, and no further.
  const rounds = scores.ops.some((op) => op.type === "QuantizeLinear");
  const rounded = rounds && scores.masks.length > 0;
  return {
    form: "decomposed",
    packed: false,
    op: softmax,
    ...operands,
    v: out.v,
    y: out.y,
    features: out.features,
    axes: { q: operands.axes.q, k: operands.axes.k, v: out.axes },
    ops: [...scores.ops, ...ops, ...(masked?.ops ?? []), ...tail.ops],
    scale: scores.scale * operands.scale * out.scale,
    masks: masked ? [...scores.masks, masked.mask] : scores.masks,
    causal: false,
    guarded: masked?.guarded || tail.ops.some((op) => op.type === "IsNaN"),
    heads: null,
    kvHeads: null,
    irregular:
      scores.irregular ??
      tail.irregular ??
      (rounded ? "its masked scores are rounded to integers" : null),
  };
}
