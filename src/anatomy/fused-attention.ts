/** Fused attention operators in the terms of a core. */
import type { Dim } from "../ir/types.ts";
import type { Constants } from "./constants.ts";
import type { Core, Mask } from "./cores.ts";
import type { Op, Wire } from "./flow.ts";

const plainAxes = { q: null, k: null, v: null };

/** The core that one operator is; null where it is none. */
export function fusedCore(op: Op, constants: Constants): Core | null {
  const rule = fusedForms[op.type];
  const fields = rule?.(op, constants);
  const y = op.outputs[0];
  if (!fields || !y) return null;
  return {
    op,
    y,
    features: -1,
    ops: [op],
    packed: false,
    axes: plainAxes,
    keysTransposed: false,
    scale: Number.NaN,
    masks: [],
    causal: false,
    guarded: true,
    heads: null,
    kvHeads: null,
    irregular: null,
    ...fields,
  };
}

type Fields = Pick<Core, "form" | "q" | "k" | "v"> & Partial<Core>;

function masksOf(wire: Wire | null | undefined): Mask[] {
  if (!wire) return [];
  return [{ wire, means: wire.value?.type?.dtype === "bool" ? "keep" : "add" }];
}

const capped = "its scores are capped by tanh";
const windowed = "its operator attends to a window";

/** What is added to scores of padding where the operator does not say. */
const usualFilter = -1e4;

/** The integers that operators of com.microsoft take for a mask, and why they cannot be read. */
function paddingOf(
  { node }: Op,
  wire: Wire | null | undefined,
  batch: Dim | undefined,
): { masks: Mask[]; odd: string | null } {
  if (!wire) return { masks: [], odd: null };
  const shape = wire.value?.type?.shape;
  const rank = shape?.length ?? 0;
  if (rank < 1 || rank > 3 || (rank === 1 && shape![0] !== batch)) {
    return { masks: [], odd: "its operator reads a padding mask of an unknown form" };
  }
  const hidden = node.float("mask_filter_value") ?? usualFilter;
  return { masks: [{ wire, means: "padding", hidden }], odd: null };
}

/** A scale that is not given is 1/sqrt(d), which the caller knows: NaN stands for it. */
const fusedForms: Readonly<Record<string, (op: Op, constants: Constants) => Fields | null>> = {
  Attention: (op) => (op.node.domain === "" ? standardAttention(op) : packedAttention(op)),
  QAttention: (op) => packedAttention(op),
  MultiHeadAttention: (op) => {
    const { node } = op;
    const [q, k, v] = op.inputs;
    if (!q) return null;
    const heads = node.int("num_heads") ?? null;
    const packed = !k || !v;
    const padding = paddingOf(op, op.inputs[4], q.value?.type?.shape?.[0]);
    return {
      form: "MultiHeadAttention",
      q,
      k: k ?? q,
      v: v ?? k ?? q,
      scale: node.float("scale") || Number.NaN,
      masks: [...padding.masks, ...masksOf(op.inputs[5])],
      causal: node.int("unidirectional") === 1,
      heads,
      kvHeads: heads,
      irregular: packed ? "its operator reads q, k and v packed together" : padding.odd,
    };
  },
  GroupQueryAttention: (op) => {
    const { node } = op;
    const [q, k, v] = op.inputs;
    if (!q) return null;
    const why = [
      [node.int("do_rotary") === 1, "rotary embedding happens inside GroupQueryAttention"],
      [(node.int("local_window_size") ?? -1) > 0, windowed],
      [(node.float("softcap") ?? 0) !== 0, capped],
      [(node.int("smooth_softmax") ?? 0) > 0 || op.inputs[11], "its softmax has a sink"],
    ] as const;
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
      irregular: why.find(([holds]) => holds)?.[1] ?? null,
    };
  },
};

/** The operator of ONNX, from opset 23. */
function standardAttention(op: Op): Fields | null {
  const { node } = op;
  const [q, k, v, mask, past, , counts] = op.inputs;
  if (!q || !k || !v) return null;
  const causal = node.int("is_causal") === 1;
  const window = ["left_window_size", "right_window_size"].some(
    (key) => (node.int(key) ?? -1) >= 0,
  );
  const why = [
    [(node.float("softcap") ?? 0) !== 0, capped],
    [window, windowed],
    [causal && counts, "its tokens stand behind those that are no padding"],
    [past?.constant, "keys and values that are stored join its own"],
  ] as const;
  return {
    form: "Attention",
    q,
    k,
    v,
    scale: node.float("scale") || Number.NaN,
    masks: [
      ...masksOf(mask),
      ...(counts
        ? [{ wire: counts, means: "padding", hidden: Number.NEGATIVE_INFINITY } as const]
        : []),
    ],
    causal,
    heads: node.int("q_num_heads") ?? null,
    kvHeads: node.int("kv_num_heads") ?? null,
    irregular: why.find(([holds]) => holds)?.[1] ?? null,
  };
}

/** com.microsoft.Attention: x, the weights of q, k and v side by side, their bias. */
function packedAttention(op: Op): Fields | null {
  const { node } = op;
  const x = op.inputs[0];
  if (!x) return null;
  const heads = node.int("num_heads") ?? null;
  const quantised = node.opType === "QAttention";
  const padding = paddingOf(op, op.inputs[quantised ? 5 : 3], x.value?.type?.shape?.[0]);
  return {
    form: "Attention",
    q: x,
    k: x,
    v: x,
    scale: node.float("scale") || Number.NaN,
    masks: [...padding.masks, ...masksOf(quantised ? null : op.inputs[5])],
    causal: node.int("unidirectional") === 1,
    heads,
    kvHeads: heads,
    irregular: quantised
      ? "its weights are integers"
      : (node.ints("qkv_hidden_sizes")?.length ?? 0) > 0
        ? "q, k and v have sizes of their own"
        : (node.int("do_rotary") ?? 0) === 1
          ? "rotary embedding happens inside Attention"
          : padding.odd,
  };
}
