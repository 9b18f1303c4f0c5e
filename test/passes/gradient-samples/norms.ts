import { float } from "../../../src/onnx-ops/attributes.ts";
import type { Sample } from "../gradient-differences.ts";

const x = ["batch", 3, 6];
const axes = (values: readonly number[]) => ({ shape: [values.length], values });
const stored = (shape: readonly number[], value: number) => ({
  shape,
  values: Array<number>(shape.reduce((n, d) => n * d, 1)).fill(value),
  dtype: "float32" as const,
});
const apart = { shape: ["batch", 3, 4], over: [0.5, 2] as const };

export const norms: readonly Sample[] = [
  { op: "LayerNormalization", inputs: { x, scale: [6], bias: [6] } },
  { op: "LayerNormalization", inputs: { x, scale: stored([6], 1), bias: stored([6], 0) } },
  { op: "LayerNormalization", inputs: { x, scale: stored([6], 1), bias: [6] } },
  { op: "LayerNormalization", attributes: { axis: 1 }, inputs: { x, scale: [3, 6] } },
  {
    op: "LayerNormalization",
    attributes: { axis: -2 },
    inputs: { x, scale: [3, 6], bias: [3, 6] },
  },
  { op: "RMSNormalization", opset: 23, inputs: { x, scale: [6] } },
  { op: "RMSNormalization", opset: 23, attributes: { axis: -2 }, inputs: { x, scale: [3, 6] } },
  { op: "SimplifiedLayerNormalization", inputs: { x, scale: [6] } },
  { op: "InstanceNormalization", inputs: { x: ["batch", 3, 4, 2], scale: [3], bias: [3] } },
  {
    op: "GroupNormalization",
    attributes: { num_groups: 2 },
    inputs: { x: ["batch", 4, 3, 2], scale: [2], bias: [2] },
  },
  {
    op: "GroupNormalization",
    opset: 21,
    attributes: { num_groups: 2 },
    inputs: { x: ["batch", 4, 3, 2], scale: [4], bias: [4] },
  },
  {
    op: "BatchNormalization",
    inputs: {
      x: ["batch", 3, 4],
      scale: [3],
      bias: [3],
      mean: stored([3], 0.5),
      variance: stored([3], 2),
    },
  },
  { op: "LpNormalization", attributes: { p: 1, axis: 1 }, inputs: { x: apart } },
  { op: "LpNormalization", attributes: { axis: 0 }, inputs: { x: apart } },
  { op: "Softmax", attributes: { axis: -2 }, inputs: { x } },
  { op: "LogSoftmax", attributes: { axis: -2 }, inputs: { x } },
  {
    op: "com.microsoft::SkipLayerNormalization",
    attributes: { epsilon: float(1e-5) },
    inputs: { x, skip: x, gamma: [6], beta: [6], bias: [6] },
  },
  {
    op: "com.microsoft::SkipLayerNormalization",
    inputs: { x, skip: [3, 6], gamma: [6], beta: [6] },
    outputs: 4,
    unused: [1, 2],
  },
  {
    op: "com.microsoft::SkipSimplifiedLayerNormalization",
    attributes: { epsilon: float(1e-5) },
    inputs: { x, skip: x, gamma: [6], bias: [6] },
  },
  ...["L1", "L2", "LogSum", "LogSumExp", "Mean", "Prod", "Sum", "SumSquare"].flatMap((kind) => [
    { op: `Reduce${kind}`, inputs: { x: apart, axes: axes([-2, 0]) } },
    { op: `Reduce${kind}`, attributes: { keepdims: 0 }, inputs: { x: apart, axes: axes([0]) } },
    { op: `Reduce${kind}`, inputs: { x: apart } },
  ]),
  ...["Max", "Min"].map((kind) => ({
    op: `Reduce${kind}`,
    attributes: { keepdims: 0 },
    inputs: { x: { shape: ["batch", 3, 3], over: [0, 10] as const }, axes: axes([1]) },
  })),
  {
    op: "ReduceSum",
    attributes: { noop_with_empty_axes: 1 },
    inputs: { x: apart, axes: axes([]) },
  },
  {
    op: "CumSum",
    attributes: { reverse: 1 },
    inputs: { x: apart, axis: { shape: [], values: [-1] } },
  },
];
