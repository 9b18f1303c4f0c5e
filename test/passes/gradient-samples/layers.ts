import type { Sample, SampleInput } from "../gradient-differences.ts";

const numbers = (shape: number[], ...values: number[]): SampleInput => ({
  shape,
  values,
  dtype: "float32",
});
const ints = (...values: number[]): SampleInput => ({ shape: [values.length], values });
const bools = (shape: number[], ...values: number[]): SampleInput => ({
  shape,
  values,
  dtype: "bool",
});

export const layers: readonly Sample[] = [
  {
    op: "Conv",
    opset: 18,
    attributes: { group: 3, pads: [3, 0] },
    inputs: { x: ["batch", 3, "tokens"], w: [3, 1, 4], b: [3] },
  },
  {
    op: "Conv",
    attributes: { group: 2, pads: [0, 3], strides: [2], dilations: [2] },
    inputs: { x: ["batch", 2, 9], w: [2, 1, 3] },
  },
  {
    op: "Conv",
    attributes: { group: 2, pads: [1, 1] },
    inputs: { x: ["batch", 4, "tokens"], w: [6, 2, 3], b: [6] },
  },
  {
    op: "Conv",
    attributes: { group: 2, pads: [1, 0], strides: [2] },
    inputs: { x: ["batch", 4, "tokens"], w: [6, 2, 3], b: [6] },
  },
  {
    op: "Conv",
    attributes: { strides: [6, 6] },
    inputs: { x: ["batch", 2, 12, 13], w: [3, 2, 6, 6] },
  },
  {
    op: "Conv",
    attributes: { auto_pad: "SAME_UPPER", strides: [2, 3] },
    inputs: { x: ["batch", 2, 6, 7], w: [3, 2, 3, 2] },
  },
  {
    op: "Conv",
    attributes: { pads: [5, 4], group: 2 },
    inputs: { x: ["batch", 2, 3], w: [2, 1, 3] },
  },
  {
    op: "ConvTranspose",
    attributes: { group: 2, strides: [3], pads: [1, 0], output_padding: [1] },
    inputs: { x: ["batch", 4, "tokens"], w: [4, 3, 3], b: [6] },
  },
  {
    op: "AveragePool",
    attributes: { kernel_shape: [3], strides: [2], pads: [1, 0], count_include_pad: 1 },
    inputs: { x: ["batch", 2, "tokens"] },
  },
  {
    op: "AveragePool",
    attributes: { kernel_shape: [3, 2], pads: [1, 0, 1, 1] },
    inputs: { x: ["batch", 2, 4, 5] },
  },
  {
    op: "MaxPool",
    attributes: { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1], ceil_mode: 1 },
    inputs: { x: { shape: [2, 2, 6, 5], over: [0, 100] } },
  },
  { op: "GlobalAveragePool", inputs: { x: ["batch", 2, "tokens", 3] } },
  {
    op: "Resize",
    opset: 18,
    attributes: { mode: "cubic", cubic_coeff_a: { float: -0.5 }, axes: [-2, -1] },
    inputs: { x: ["batch", 2, 3, 4], roi: null, scales: null, sizes: ints(5, 6) },
  },
  {
    op: "Resize",
    attributes: { mode: "linear", antialias: 1 },
    inputs: { x: ["batch", 2, 7, 8], roi: null, scales: numbers([4], 1, 1, 0.5, 0.7) },
  },
  {
    op: "TopK",
    attributes: { axis: 1 },
    inputs: { x: { shape: ["batch", 5, 2], over: [0, 10] }, k: ints(2) },
    outputs: 2,
  },
  {
    op: "Attention",
    opset: 23,
    attributes: { q_num_heads: 4, kv_num_heads: 2, is_causal: 1, scale: { float: 0.7 } },
    inputs: { q: ["batch", 3, 8], k: ["batch", 3, 4], v: ["batch", 3, 6] },
  },
  {
    op: "Attention",
    opset: 24,
    inputs: {
      q: ["batch", 2, "tokens", 4],
      k: ["batch", 1, 3, 4],
      v: ["batch", 1, 3, 2],
      mask: ["batch", 1, "tokens", 3],
    },
  },
  {
    op: "Attention",
    opset: 23,
    inputs: {
      q: [1, 2, 2, 4],
      k: [1, 2, 3, 4],
      v: [1, 2, 3, 4],
      mask: bools([2, 3], 1, 0, 1, 0, 0, 1),
    },
  },
  {
    op: "RotaryEmbedding",
    opset: 23,
    inputs: {
      x: [1, 2, 3, 4],
      cos: numbers([4, 2], 0.5, 0.1, -0.3, 0.9, 1, 0.2, 0.4, 0.7),
      sin: numbers([4, 2], 0.2, -0.1, 0.6, 0.3, 0.8, 0.5, -0.9, 0),
      at: { shape: [1, 3], values: [3, 0, 1] },
    },
  },
  {
    op: "RotaryEmbedding",
    opset: 23,
    attributes: { num_heads: 2, interleaved: 1, rotary_embedding_dim: 2 },
    inputs: {
      x: [1, 2, 8],
      cos: numbers([1, 2, 1], 0.5, 0.1),
      sin: numbers([1, 2, 1], 0.2, -0.1),
    },
  },
];
