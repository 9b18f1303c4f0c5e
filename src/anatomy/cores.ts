/**
 * The core of an attention, wherever it stands: softmax(scale * q k^T + mask) v between products of
 * data with data, or one fused operator. What q, k and v come from is not looked at here.
 */
import type { Constants } from "./constants.ts";
import type { Flow, Op, Wire } from "./flow.ts";

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
  /** Axes of q, k and v in the order [.., tokens, features], where an Einsum names them otherwise. */
  readonly axes: { readonly q: Axes; readonly k: Axes; readonly v: Axes };
  /** q, k and v are one value, their features one after the other. */
  readonly packed: boolean;
  /** The last two axes of `k` are [d, M], as the product reads it; else [M, d]. */
  readonly keysTransposed: boolean;
  /** What comes out of the product with v. */
  readonly y: Wire;
  /** From the product of q and k to `y`. */
  readonly ops: readonly Op[];
  /** Factor of the scores between the product and the softmax. */
  readonly scale: number;
  /** In the order in which they meet the scores. */
  readonly masks: readonly Mask[];
  readonly causal: boolean;
  /** Heads as a fused operator's attributes have them. */
  readonly heads: number | null;
  readonly kvHeads: number | null;
  /** Why it is more than scale, mask and softmax; null where it is not. */
  readonly irregular: string | null;
}

export type Axes = readonly number[] | null;
const plainAxes = { q: null, k: null, v: null };

export interface Mask {
  readonly wire: Wire;
  readonly kind: "added" | "keep" | "drop";
}

const layoutOps = new Set(["Reshape", "Transpose", "Unsqueeze", "Squeeze", "Flatten", "Expand"]);
const through = new Set(["Identity", "Cast", "Dropout", "QuantizeLinear", "DequantizeLinear"]);
const products = new Set(["MatMul", "FusedMatMul", "Einsum"]);

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

function isDataProduct(op: Op): boolean {
  if (!products.has(op.type)) return false;
  const [a, b] = op.inputs;
  return Boolean(a && b && !a.constant && !b.constant);
}

interface Scores {
  readonly product: Op;
  readonly ops: readonly Op[];
  readonly scale: number;
  readonly masks: readonly Mask[];
  readonly irregular: string | null;
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
  const tail = scores && valuesAfter(softmax);
  if (!tail) return null;
  const operands = operandsOf(scores.product);
  const out = weightedOf(tail.product, tail.weights);
  if (!operands || !out) return null;
  return {
    form: "decomposed",
    packed: false,
    op: softmax,
    ...operands,
    v: out.v,
    y: out.y,
    axes: { q: operands.axes.q, k: operands.axes.k, v: out.axes },
    ops: [...scores.ops, ...ops, ...tail.ops],
    scale: scores.scale * operands.scale * out.scale,
    masks: scores.masks,
    causal: false,
    heads: null,
    kvHeads: null,
    irregular: scores.irregular ?? tail.irregular,
  };
}

/** Walks back from the softmax to the product of q and k, collecting scale and masks. */
function scoresBehind(wire: Wire, constants: Constants, depth: number): Scores | null {
  const op = wire.from;
  if (!op || depth > 16) return null;
  if (isDataProduct(op)) {
    return { product: op, ops: [op], scale: 1, masks: [], irregular: null };
  }
  const behind = (next: Wire | null | undefined) =>
    next && !next.constant ? scoresBehind(next, constants, depth + 1) : null;
  const extend = (found: Scores | null, change: Partial<Scores> = {}): Scores | null =>
    found && { ...found, ops: [...found.ops, op], ...change };
  const [a, b] = op.inputs;
  if (through.has(op.type) || layoutOps.has(op.type)) return extend(behind(a));
  if (op.type === "Mul" || op.type === "Div") {
    const factor = constants.scalar(b) ?? (op.type === "Mul" ? constants.scalar(a) : null);
    const found = behind(constants.scalar(b) === null ? (factor === null ? a : b) : a);
    if (!found) return null;
    if (factor === null) return extend(found, { irregular: "its scores have a learned scale" });
    return extend(found, { scale: found.scale * (op.type === "Mul" ? factor : 1 / factor) });
  }
  if (op.type === "Add" && a && b && op.inputs.length === 2) {
    const [left, right] = [behind(a), behind(b)];
    const found = pick(left, right, a, b);
    if (!found) return null;
    const wireOfMask = found === left ? b : a;
    return extend(found, { masks: [...found.masks, { wire: wireOfMask, kind: "added" }] });
  }
  if (op.type === "Where") {
    const [condition, kept, filler] = op.inputs;
    const found = behind(kept) ?? behind(filler);
    if (!found || !condition) return null;
    const kind = behind(kept) ? "keep" : "drop";
    return extend(found, { masks: [...found.masks, { wire: condition, kind }] });
  }
  if (mixesHeads(op)) {
    return extend(behind(a), { irregular: "its heads are mixed before the softmax" });
  }
  if (op.type === "Tanh") return extend(behind(a), { irregular: "its scores are capped by tanh" });
  if (["Clip", "Max", "Min", "Concat", "Sub", "Slice", "Pad"].includes(op.type)) {
    const found = behind(a) ?? behind(b);
    return extend(found, { irregular: `its scores go through ${op.type}` });
  }
  return null;
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

interface Tail {
  readonly product: Op;
  /** The operand of `product` that holds the softmax's weights. */
  readonly weights: Wire;
  readonly ops: readonly Op[];
  readonly irregular: string | null;
}

/** From the softmax to the product with v. */
function valuesAfter(softmax: Op): Tail | null {
  const open: { wire: Wire; ops: Op[]; irregular: string | null }[] = [
    { wire: softmax.outputs[0]!, ops: [], irregular: null },
  ];
  for (let at = open.shift(); at; at = open.shift()) {
    if (at.ops.length > 8) continue;
    const { wire, ops } = at;
    for (const op of wire.uses) {
      if (isDataProduct(op)) {
        return { product: op, weights: wire, ops: [...ops, op], irregular: at.irregular };
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
      const irregular = plain ? at.irregular : `its weights go through ${op.type}`;
      const nan = op.type === "Where" ? [op.inputs[0]!.from!] : [];
      open.push({ wire: next, ops: [...ops, ...nan, op], irregular });
    }
  }
  return null;
}

interface Operands {
  readonly q: Wire;
  readonly k: Wire;
  readonly keysTransposed: boolean;
  readonly scale: number;
  readonly axes: { readonly q: Axes; readonly k: Axes };
}

function operandsOf(product: Op): Operands | null {
  const [a, b] = product.inputs as [Wire, Wire];
  const axes = { q: null, k: null };
  if (product.type === "MatMul") return { q: a, k: b, keysTransposed: true, scale: 1, axes };
  if (product.type === "FusedMatMul") {
    const { node } = product;
    if ((node.int("transA") ?? 0) !== 0) return null;
    if ((node.int("transBatchA") ?? 0) !== 0 || (node.int("transBatchB") ?? 0) !== 0) return null;
    const keysTransposed = (node.int("transB") ?? 0) === 0;
    return { q: a, k: b, keysTransposed, scale: node.float("alpha") ?? 1, axes };
  }
  const letters = einsumLetters(product);
  if (!letters) return null;
  // Scores end in [query, key]: q has the letter before the last, and both share a contracted one.
  const [query, key] = [letters.result.at(-2)!, letters.result.at(-1)!];
  const swapped = letters.a.includes(key);
  const [qs, ks] = swapped ? [letters.b, letters.a] : [letters.a, letters.b];
  const shared = [...qs].filter((x) => ks.includes(x) && !letters.result.includes(x));
  if (!qs.includes(query) || !ks.includes(key) || ks.includes(query)) return null;
  if (shared.length !== 1) return null;
  const [q, k] = swapped ? [b, a] : [a, b];
  const order = { q: orderOf(qs, query, shared[0]!), k: orderOf(ks, key, shared[0]!) };
  return { q, k, keysTransposed: false, scale: 1, axes: order };
}

/** Axes of an operand as [.., tokens, features]. */
function orderOf(letters: string, tokens: string, features: string): Axes {
  const rest = [...letters].filter((letter) => letter !== tokens && letter !== features);
  return [...rest, tokens, features].map((letter) => letters.indexOf(letter));
}

function einsumLetters(op: Op): { a: string; b: string; result: string } | null {
  const equation = (op.node.string("equation") ?? "").replaceAll(" ", "");
  const [operands, result] = equation.split("->");
  const [a, b] = operands!.split(",");
  return a && b && result ? { a, b, result } : null;
}

interface Weighted {
  readonly v: Wire;
  readonly y: Wire;
  readonly scale: number;
  readonly axes: Axes;
}

function weightedOf(product: Op, weights: Wire): Weighted | null {
  const [a, b] = product.inputs as [Wire, Wire];
  const y = product.outputs[0]!;
  if (product.type === "Einsum") {
    const letters = einsumLetters(product);
    if (!letters) return null;
    const [ps, vs] = a === weights ? [letters.a, letters.b] : [letters.b, letters.a];
    const key = ps.at(-1)!;
    const features = [...vs].filter((x) => !ps.includes(x) && letters.result.includes(x));
    if (!vs.includes(key) || features.length !== 1) return null;
    return { v: a === weights ? b : a, y, scale: 1, axes: orderOf(vs, key, features[0]!) };
  }
  if (a !== weights) return null;
  if (product.type === "FusedMatMul" && (product.node.float("alpha") ?? 1) !== 1) return null;
  return { v: b, y, scale: 1, axes: null };
}

/** Fused operators that take q, k and v; those that hold the projections are met elsewhere. */
function fusedCore(op: Op, constants: Constants): Core | null {
  const rule = fusedForms[op.type];
  const fields = rule?.(op, constants);
  const y = op.outputs[0];
  if (!fields || !y) return null;
  return {
    op,
    y,
    ops: [op],
    packed: false,
    axes: plainAxes,
    keysTransposed: false,
    scale: Number.NaN,
    masks: [],
    causal: false,
    heads: null,
    kvHeads: null,
    irregular: null,
    ...fields,
  };
}

type Fields = Pick<Core, "form" | "q" | "k" | "v"> & Partial<Core>;

function masksOf(wire: Wire | null | undefined): Mask[] {
  if (!wire) return [];
  return [{ wire, kind: wire.value?.type?.dtype === "bool" ? "keep" : "added" }];
}

/** A scale that is not given is 1/sqrt(d), which the caller knows: NaN stands for it. */
const fusedForms: Readonly<Record<string, (op: Op, constants: Constants) => Fields | null>> = {
  Attention: (op) => {
    const { node } = op;
    const [q, k, v] = op.inputs;
    if (node.domain !== "") return packedAttention(op);
    if (!q || !k || !v) return null;
    return {
      form: "Attention",
      q,
      k,
      v,
      scale: node.float("scale") || Number.NaN,
      masks: masksOf(op.inputs[3]),
      causal: node.int("is_causal") === 1,
      heads: node.int("q_num_heads") ?? null,
      kvHeads: node.int("kv_num_heads") ?? null,
      irregular: (node.float("softcap") ?? 0) !== 0 ? "its scores are capped by tanh" : null,
    };
  },
  QAttention: (op) => packedAttention(op),
  MultiHeadAttention: (op) => {
    const { node } = op;
    const [q, k, v] = op.inputs;
    if (!q) return null;
    const heads = node.int("num_heads") ?? null;
    const packed = !k || !v;
    return {
      form: "MultiHeadAttention",
      q,
      k: k ?? q,
      v: v ?? k ?? q,
      scale: node.float("scale") || Number.NaN,
      masks: masksOf(op.inputs[5]),
      causal: node.int("unidirectional") === 1,
      heads,
      kvHeads: heads,
      irregular: packed
        ? "its operator reads q, k and v packed together"
        : op.inputs[4]
          ? "its operator reads a padding mask"
          : null,
    };
  },
  GroupQueryAttention: (op) => {
    const { node } = op;
    const [q, k, v] = op.inputs;
    if (!q) return null;
    const rotary = node.int("do_rotary") === 1;
    return {
      form: "GroupQueryAttention",
      q,
      k: k ?? q,
      v: v ?? q,
      packed: !k || !v,
      scale: node.float("scale") || Number.NaN,
      masks: masksOf(op.inputs[10]),
      causal: true,
      heads: node.int("num_heads") ?? null,
      kvHeads: node.int("kv_num_heads") ?? null,
      irregular: rotary
        ? "rotary embedding happens inside GroupQueryAttention"
        : (node.int("local_window_size") ?? -1) > 0
          ? "its operator attends to a window"
          : null,
    };
  },
};

/** com.microsoft.Attention: x, the weights of q, k and v side by side, their bias. */
function packedAttention(op: Op): Fields | null {
  const { node } = op;
  const x = op.inputs[0];
  if (!x) return null;
  const heads = node.int("num_heads") ?? null;
  return {
    form: "Attention",
    q: x,
    k: x,
    v: x,
    scale: node.float("scale") || Number.NaN,
    masks: masksOf(node.opType === "Attention" ? op.inputs[5] : null),
    causal: node.int("unidirectional") === 1,
    heads,
    kvHeads: heads,
    irregular:
      node.opType === "QAttention"
        ? "its weights are integers"
        : op.inputs[3]
          ? "its operator reads a padding mask"
          : (node.ints("qkv_hidden_sizes")?.length ?? 0) > 0
            ? "q, k and v have sizes of their own"
            : (node.int("do_rotary") ?? 0) === 1
              ? "rotary embedding happens inside Attention"
              : null,
  };
}
