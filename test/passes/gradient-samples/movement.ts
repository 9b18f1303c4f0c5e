import type { Sample } from "../gradient-differences.ts";

const ints = (...values: number[]) => ({ shape: [values.length], values });
const int = (value: number) => ({ shape: [], values: [value] });

export const movement: readonly Sample[] = [
  { op: "Reshape", inputs: { x: ["batch", 4, 6], to: ints(0, -1, 8) } },
  { op: "Reshape", inputs: { x: ["batch", 4, 6], to: ints(-1, 3) } },
  { op: "Flatten", attributes: { axis: -1 }, inputs: { x: ["batch", 2, 3] } },
  { op: "Squeeze", inputs: { x: ["batch", 1, 3, 1], axes: ints(-1) } },
  { op: "Squeeze", inputs: { x: [2, 1, 3, 1] } },
  { op: "Unsqueeze", inputs: { x: ["batch", 3], axes: ints(-1, 0) } },
  { op: "Expand", inputs: { x: ["batch", 1, 3], to: ints(1, 4, 1) } },
  { op: "Transpose", opset: 18, attributes: { perm: [2, 0, 1] }, inputs: { x: ["batch", 3, 4] } },
  { op: "Concat", attributes: { axis: -2 }, inputs: { a: ["batch", 2, 3], b: ["batch", 3, 3] } },
  {
    op: "Concat",
    attributes: { axis: 0 },
    inputs: { a: ["batch", 2], b: { shape: [1, 2], values: [1, 2], dtype: "float32" } },
  },
  {
    op: "Concat",
    attributes: { axis: 1 },
    inputs: { b: { shape: [2, 2], values: [1, 2, 3, 4], dtype: "float32" }, a: [2, 3] },
  },
  {
    op: "Split",
    opset: 18,
    attributes: { axis: 1, num_outputs: 3 },
    inputs: { x: ["batch", 7, 2] },
    outputs: 3,
  },
  {
    op: "Split",
    attributes: { axis: -1 },
    inputs: { x: ["batch", 7], by: ints(3, 0, 4) },
    outputs: 3,
  },
  {
    op: "Slice",
    inputs: { x: [5, "batch", 7], from: ints(1, 0, -3), to: ints(-1, 1, 7), axes: ints(0, 1, -1) },
  },
  {
    op: "Slice",
    inputs: { x: ["batch", 7], from: ints(-2), to: ints(-8), axes: ints(1), by: ints(-3) },
  },
  { op: "Slice", inputs: { x: [3, 8], from: ints(1), to: ints(8), axes: ints(1), by: ints(5) } },
  { op: "Slice", inputs: { x: [3, 4], from: ints(2, 3), to: ints(0, 100) } },
  {
    op: "Slice",
    inputs: { x: ["batch", 4], from: ints(-1), to: ints(-(2 ** 40)), axes: ints(0), by: ints(-1) },
  },
  {
    op: "Slice",
    inputs: { x: ["batch", 4], from: ints(0), to: ints(2 ** 31 - 1), axes: ints(0), by: ints(2) },
  },
  { op: "Pad", inputs: { x: ["batch", 5], pads: ints(0, -1, 1, 2), value: [] } },
  {
    op: "Pad",
    opset: 18,
    inputs: { x: ["batch", 5], pads: ints(2, -3), value: null, axes: ints(-1) },
  },
  {
    op: "Pad",
    attributes: { mode: "reflect" },
    inputs: { x: ["batch", 5], pads: ints(0, 2, 0, 1) },
  },
  { op: "Tile", inputs: { x: ["batch", 1, 3], times: ints(2, 1, 2) } },
  { op: "Trilu", attributes: { upper: 0 }, inputs: { x: ["batch", 3, 4], k: int(-1) } },
  {
    op: "DepthToSpace",
    attributes: { blocksize: 2, mode: "CRD" },
    inputs: { x: ["batch", 8, 2, 3] },
  },
  { op: "SpaceToDepth", attributes: { blocksize: 2 }, inputs: { x: ["batch", 2, 4, 2] } },
  { op: "Gather", attributes: { axis: -1 }, inputs: { x: ["batch", 3, 4], at: ints(3, -4, 3) } },
  { op: "Gather", inputs: { x: ["batch", 3], at: int(-1) } },
  { op: "Gather", attributes: { axis: 1 }, inputs: { x: ["batch", 3, 2], at: ints(-1) } },
  {
    op: "GatherElements",
    attributes: { axis: -1 },
    inputs: { x: [2, 3], at: { shape: [2, 2], values: [0, 0, -1, 1] } },
  },
  {
    op: "GatherND",
    inputs: { x: ["batch", 3, 2], at: { shape: [3, 2], values: [1, 2, 1, 2, 0, 0] } },
  },
  {
    op: "ScatterElements",
    attributes: { axis: -1 },
    inputs: { x: ["batch", 4], at: { shape: [2, 2], values: [3, 0, 1, 2] }, by: [2, 2] },
  },
  {
    op: "ScatterND",
    attributes: { reduction: "add" },
    inputs: { x: ["batch", 4], at: { shape: [3, 1], values: [1, 0, 1] }, by: [3, 4] },
  },
];
