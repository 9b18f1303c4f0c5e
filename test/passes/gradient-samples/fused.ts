import { float } from "../../../src/onnx-ops/attributes.ts";
import type { Sample, SampleInput } from "../gradient-differences.ts";

const whole = (shape: number[], ...values: number[]): SampleInput => ({
  shape,
  values,
  dtype: "int32",
});
const long = (shape: number[], ...values: number[]): SampleInput => ({ shape, values });
const attention = "com.microsoft::Attention";
const multiHead = "com.microsoft::MultiHeadAttention";
const projected = { x: ["batch", "tokens", 6], w: [6, 12], b: [12] };
const parts = { q: ["batch", 3, 4], k: ["batch", "tokens", 4], v: ["batch", "tokens", 6] };

/** In the range of cosines; they are not trained. */
const table = (...values: number[]): SampleInput => ({
  shape: [7, 2],
  values: Array.from({ length: 14 }, (_, i) => Math.cos(i + (values[0] ?? 0))),
  dtype: "float32",
});

/** What the optimisers of ONNX Runtime write. */
export const fused: readonly Sample[] = [
  { op: attention, attributes: { num_heads: 2 }, inputs: projected },
  {
    op: attention,
    attributes: { num_heads: 2, unidirectional: 1, scale: float(0.3) },
    inputs: projected,
  },
  {
    op: attention,
    attributes: { num_heads: 2, qkv_hidden_sizes: [4, 4, 6] },
    inputs: { x: [2, 5, 6], w: [6, 14], b: [14], mask: whole([2], 3, 5) },
  },
  {
    op: attention,
    attributes: { num_heads: 2, mask_filter_value: float(-5) },
    inputs: { ...projected, mask: whole([2, 5], 1, 1, 0, 1, 0, 1, 0, 0, 1, 1) },
  },
  {
    op: attention,
    attributes: { num_heads: 2 },
    inputs: { ...projected, mask: null, past: null, scores: [1, 2, "tokens", "tokens"] },
  },
  { op: multiHead, attributes: { num_heads: 2 }, inputs: parts },
  {
    op: multiHead,
    attributes: { num_heads: 2, scale: float(0.3), mask_filter_value: float(-4) },
    inputs: {
      q: ["batch", 3, 4],
      k: ["batch", 5, 4],
      v: ["batch", 5, 4],
      b: [12],
      mask: whole([2, 5], 1, 1, 0, 1, 0, 1, 0, 0, 1, 1),
      scores: ["batch", 2, 3, 5],
    },
  },
  {
    op: multiHead,
    attributes: { num_heads: 2, unidirectional: 1 },
    inputs: { q: ["batch", "tokens", 4], k: ["batch", "tokens", 4], v: ["batch", "tokens", 4] },
  },
  ...[0, 1].map((interleaved) => ({
    op: "com.microsoft::RotaryEmbedding",
    attributes: { interleaved, num_heads: 2 },
    inputs: { x: ["batch", 5, 8], at: long([1], 1), c: table(), s: table(-Math.PI / 2) },
  })),
  {
    op: "com.microsoft::RotaryEmbedding",
    inputs: { x: [1, 2, 3, 4], at: long([1, 3], 4, 0, 2), c: table(), s: table(-Math.PI / 2) },
  },
  {
    op: "com.microsoft::EmbedLayerNormalization",
    outputs: 2,
    attributes: { epsilon: float(1e-5) },
    inputs: {
      ids: whole([2, 3], 4, 0, 4, 1, 2, 2),
      kinds: whole([2, 3], 0, 1, 1, 0, 0, 0),
      words: [5, 4],
      places: [6, 4],
      segments: [2, 4],
      gamma: [4],
      beta: [4],
    },
  },
  {
    op: "com.microsoft::EmbedLayerNormalization",
    outputs: 2,
    attributes: { epsilon: float(1e-5) },
    inputs: {
      ids: whole([2, 3], 4, 0, 4, 1, 2, 2),
      kinds: null,
      words: [5, 4],
      places: [6, 4],
      segments: null,
      gamma: [4],
      beta: [4],
      mask: null,
      at: whole([2, 3], 0, 1, 2, 2, 5, 0),
    },
  },
];
