/**
 * Multiply-adds of the operators that are made of them: one row an operator, from the shapes of its
 * inputs and outputs. An operator without a row has none worth counting.
 */
import type { Node } from "../ir/graph.ts";

export interface Shapes {
  readonly node: Node;
  /** Shape of an input or output, all sizes known; undefined where it is left out or unknown. */
  readonly input: (index: number) => readonly number[] | undefined;
  readonly output: (index: number) => readonly number[] | undefined;
}

/** undefined: a shape that it takes is not known. */
export type Rule = (shapes: Shapes) => number | undefined;

type Shape = readonly number[];

const product = (sizes: Shape) => sizes.reduce((a, b) => a * b, 1);
const last = (shape: Shape, from = 1) => shape[shape.length - from] ?? 1;

/** Every output element is a dot product over K sizes of the first factor. */
function contraction(sizeOfK: (a: Shape, node: Node) => number): Rule {
  return ({ node, input, output }) => {
    const a = input(0);
    const y = output(0);
    return a && y && product(y) * sizeOfK(a, node);
  };
}

const matmul = contraction((a) => last(a));
const gemm = contraction((a, node) => last(a, node.int("transA") ? 2 : 1));

/** Every output element is a dot product with one filter: [C_out, C_in / group, k...]. */
function convolution(filter: number): Rule {
  return ({ input, output }) => {
    const w = input(filter);
    const y = output(0);
    return w && y && product(y) * product(w.slice(1));
  };
}

/** Every input element meets one filter: [C_in, C_out / group, k...]. */
const transposedConvolution: Rule = ({ input }) => {
  const x = input(0);
  const w = input(1);
  return x && w && product(x) * product(w.slice(1));
};

/** Two operands: all combinations of indices. Operands of a longer product are taken in turn. */
const einsum: Rule = ({ node, input }) => {
  const terms = (node.string("equation") ?? "").replace(/\s/g, "").split("->")[0]!.split(",");
  const sizes = new Map<string, number>();
  for (const [i, term] of terms.entries()) {
    const shape = input(i);
    if (!shape) return undefined;
    const [before = "", after = ""] = term.split("...");
    const free = shape.length - before.length - after.length;
    const labels = [...before, ...Array.from({ length: free }, (_, k) => `.${free - k}`), ...after];
    for (const [axis, label] of labels.entries()) {
      sizes.set(label, Math.max(sizes.get(label) ?? 1, shape[axis]!));
    }
  }
  return product([...sizes.values()]) * (terms.length - 1);
};

/** Scores and weighted sum of `queries` x `keys` pairs in every batch and head. */
function pairs(batch: number, queries: number, keys: number, qk: number, v: number): number {
  return batch * queries * keys * (qk + v);
}

/** ai.onnx Attention: [B, H, N, d], or [B, N, H * d] with the heads as attributes. */
const attention: Rule = ({ node, input, output }) => {
  const q = input(0);
  const k = input(1);
  const y = output(0);
  if (!q || !k || !y) return undefined;
  const present = output(1) ?? input(4);
  const past = output(1) ? 0 : (present?.[2] ?? 0);
  const keys = output(1) ? last(present!, 2) : last(k, 2) + past;
  if (q.length === 4) return pairs(q[0]! * q[1]!, q[2]!, keys, q[3]!, y[3]!);
  const heads = node.int("q_num_heads") ?? 1;
  return pairs(q[0]! * heads, q[1]!, keys, q[2]! / heads, y[2]! / heads);
};

/** com.microsoft Attention projects too: x [B, N, D], weight [D, Q + K + V]. */
const projectedAttention: Rule = ({ node, input, output }) => {
  const x = input(0);
  const w = input(1);
  const y = output(0);
  if (!x || !w || !y) return undefined;
  const past = input(4)?.[3] ?? 0;
  const qk = node.ints("qkv_hidden_sizes")?.[0] ?? last(w) / 3;
  const rows = product(x.slice(0, -1));
  return rows * product(w) + pairs(x[0]!, x[1]!, x[1]! + past, qk, last(y));
};

/** com.microsoft MultiHeadAttention: keys [B, M, D] or [B, H, M, d], or all packed in the query. */
const multiHeadAttention: Rule = ({ input, output }) => {
  const q = input(0);
  const k = input(1);
  const y = output(0);
  if (!q || !y) return undefined;
  const packed = q.length === 5 || (k && k.length === 5);
  const keys = q.length === 5 ? q[1]! : !k ? undefined : k.length === 4 ? k[2]! : k[1]!;
  const past = input(6)?.[2] ?? 0;
  const width = packed ? last(y) : last(q);
  return keys && pairs(q[0]!, q[1]!, keys + past, width, last(y));
};

const groupQueryAttention: Rule = ({ node, input, output }) => {
  const y = output(0);
  const keys = output(1)?.[2] ?? input(1)?.[1] ?? y?.[1];
  if (!y || !keys) return undefined;
  const window = node.int("local_window_size") ?? -1;
  return pairs(y[0]!, y[1]!, window > 0 ? Math.min(window, keys) : keys, last(y), last(y));
};

export const multiplyAdds: Readonly<Record<string, Rule>> = {
  MatMul: matmul,
  MatMulInteger: matmul,
  QLinearMatMul: matmul,
  Gemm: gemm,
  Conv: convolution(1),
  ConvInteger: convolution(1),
  QLinearConv: convolution(3),
  DeformConv: convolution(1),
  ConvTranspose: transposedConvolution,
  Einsum: einsum,
  Attention: attention,
  "com.microsoft::Attention": projectedAttention,
  "com.microsoft::QAttention": projectedAttention,
  "com.microsoft::MultiHeadAttention": multiHeadAttention,
  "com.microsoft::GroupQueryAttention": groupQueryAttention,
  "com.microsoft::FusedMatMul": gemm,
  "com.microsoft::TransposeMatMul": gemm,
  "com.microsoft::FusedGemm": gemm,
  "com.microsoft::GemmFastGelu": matmul,
  "com.microsoft::MatMulNBits": matmul,
  "com.microsoft::MatMulBnb4": matmul,
  "com.microsoft::MatMulIntegerToFloat": matmul,
  "com.microsoft::DynamicQuantizeMatMul": matmul,
  "com.microsoft::QGemm": gemm,
  "com.microsoft::FusedConv": convolution(1),
  "com.microsoft::NhwcConv": convolution(1),
};
