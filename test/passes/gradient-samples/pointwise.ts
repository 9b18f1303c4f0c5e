import { float } from "../../../src/onnx-ops/attributes.ts";
import type { Sample, SampleInput } from "../gradient-differences.ts";

/** Away from where functions bend, so that slopes are gradients. */
const positive: SampleInput = { shape: ["batch", 5], over: [0.5, 2] };
const inner: SampleInput = { shape: ["batch", 5], over: [-0.7, 0.7] };
const either: SampleInput = { shape: ["batch", 3, 4], over: [1.5, 2.5] };
const apart: SampleInput = { shape: [3, 1], over: [-2.5, -1.5] };
const half: SampleInput = { shape: [1], values: [0.5], dtype: "float32" };

export const pointwise: readonly Sample[] = [
  ...["Add", "Sub", "Mul", "Sum", "Mean"].map((op) => ({
    op,
    inputs: { a: ["batch", 1, 4], b: [3, 1] },
  })),
  ...["Div", "Mod"].map((op) => ({
    op,
    attributes: { ...(op === "Mod" && { fmod: 1 }) },
    inputs: { a: ["batch", 1, 4] as const, b: { shape: [3, 1], over: [4.5, 6] as const } },
  })),
  ...["Max", "Min"].map((op) => ({ op, inputs: { a: apart, b: either } })),
  { op: "Max", inputs: { a: [3, 4], b: either, c: apart } },
  ...[-1.5, -1, -0.5, 0.5, 1, 2, 3, 4].map((k) => ({
    op: "Pow",
    inputs: { a: positive, k: { shape: [], values: [k], dtype: "float32" as const } },
  })),
  { op: "Pow", inputs: { a: positive, k: ["batch", 1] } },
  { op: "Pow", inputs: { a: positive, k: { shape: [1], values: [3] } } },
  ...["Log", "Sqrt", "Reciprocal", "Abs"].map((op) => ({ op, inputs: { x: positive } })),
  ...["Asin", "Acos", "Atanh", "Tan"].map((op) => ({ op, inputs: { x: inner } })),
  ...["Atan", "Asinh", "Sinh", "Cosh", "Sin", "Cos", "Exp", "Erf"].map((op) => ({
    op,
    inputs: { x: ["batch", 5] },
  })),
  { op: "Acosh", inputs: { x: { shape: [4], over: [1.5, 3] } } },
  ...["Sign", "Floor", "Ceil", "Round"].map((op) => ({
    op,
    inputs: { x: { shape: [2, 3], over: [1.2, 1.3] as const } },
  })),
  { op: "Clip", inputs: { x: positive, low: half } },
  { op: "Clip", inputs: { x: positive, low: null, high: { ...half, values: [3] } } },
  {
    op: "Clip",
    inputs: { x: { shape: [3], over: [0.1, 0.4] }, low: { shape: [], over: [0.6, 1] } },
  },
  { op: "Dropout", inputs: { x: ["batch", 3] } },
  {
    op: "Dropout",
    inputs: {
      x: ["batch", 3],
      ratio: { ...half, shape: [] },
      training: { shape: [], values: [0], dtype: "bool" },
    },
  },
  { op: "CastLike", inputs: { x: ["batch", 3], like: half } },
  ...["Tanh", "Sigmoid", "Softplus", "Softsign", "Gelu", "Mish", "Relu", "HardSwish"].map((op) => ({
    op,
    inputs: { x: { shape: ["batch", 2, 3], over: [0.3, 1] as const } },
  })),
  ...["Elu", "Celu", "Selu", "LeakyRelu", "HardSigmoid", "Gelu", "Mish"].flatMap((op) =>
    (
      [
        [-1, -0.2],
        [0.2, 1],
      ] as const
    ).map((over) => ({
      op,
      attributes: op === "Gelu" || op === "Mish" ? {} : { alpha: float(0.3) },
      inputs: { x: { shape: ["batch", 3], over } },
    })),
  ),
  { op: "Selu", attributes: { gamma: float(2) }, inputs: { x: { shape: [4], over: [0.2, 1] } } },
  { op: "ThresholdedRelu", inputs: { x: { shape: [4], over: [1.3, 2] } } },
  { op: "ThresholdedRelu", inputs: { x: { shape: [4], over: [0, 0.7] } } },
  {
    op: "Shrink",
    attributes: { bias: float(0.2) },
    inputs: { x: { shape: [4], over: [-2, -0.8] } },
  },
  { op: "PRelu", inputs: { x: { shape: [2, 3, 4], over: [-2, -0.5] }, slope: [3, 1] } },
  ...["Gelu", "FastGelu", "QuickGelu"].map((op) => ({
    op: `com.microsoft::${op}`,
    inputs: { x: ["batch", 3, 4] },
  })),
  ...["BiasGelu", "FastGelu"].map((op) => ({
    op: `com.microsoft::${op}`,
    inputs: { x: ["batch", 3, 4], bias: [4] },
  })),
];
