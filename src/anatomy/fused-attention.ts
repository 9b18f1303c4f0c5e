/** Fused attention operators in the terms of a core. */
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
