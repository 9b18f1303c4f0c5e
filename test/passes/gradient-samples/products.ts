import { float } from "../../../src/onnx-ops/attributes.ts";
import type { Sample } from "../gradient-differences.ts";

const fused = "com.microsoft::FusedMatMul";

export const products: readonly Sample[] = [
  { op: "MatMul", inputs: { a: ["batch", 3, 4], b: [4, 5] } },
  { op: "MatMul", inputs: { a: ["batch", 1, 3, 4], b: [2, 4, 5] } },
  { op: "MatMul", inputs: { a: [3, 4], b: ["batch", 4, 5] } },
  { op: "MatMul", inputs: { a: [4], b: ["batch", 4, 5] } },
  { op: "MatMul", inputs: { a: ["batch", 3, 4], b: [4] } },
  { op: "MatMul", inputs: { a: [4], b: [4, 5] } },
  { op: "MatMul", inputs: { a: [4], b: [4] } },
  { op: fused, attributes: { alpha: float(0.3) }, inputs: { a: ["batch", 3, 4], b: [4, 5] } },
  { op: fused, attributes: { transA: 1 }, inputs: { a: ["batch", 4, 3], b: ["batch", 4, 5] } },
  {
    op: fused,
    attributes: { transB: 1, alpha: float(0.3) },
    inputs: { a: ["batch", 3, 4], b: ["batch", 5, 4] },
  },
  { op: fused, attributes: { transB: 1 }, inputs: { a: ["batch", 3, 4], b: [5, 4] } },
  {
    op: fused,
    attributes: { transA: 1, transB: 1 },
    inputs: { a: [2, 4, 3], b: ["batch", 5, 4] },
  },
  {
    op: "Gemm",
    attributes: { transB: 1, alpha: float(0.3), beta: float(2) },
    inputs: { a: ["batch", 4], b: [5, 4], c: [1, 5] },
  },
  ...[
    ["bhqd,bhkd->bhqk", ["batch", 2, 3, 4], ["batch", 2, 5, 4]],
    ["bqk,bkd->bqd", ["batch", 3, 4], ["batch", 4, 5]],
    ["bnd,md->bnm", ["batch", 3, 4], [5, 4]],
    ["...nd,...md", ["batch", 3, 4], [1, 5, 4]],
    ["...ij,jk->...ik", ["batch", 2, 3, 4], [4, 5]],
    ["bij,bk->bi", ["batch", 3, 4], ["batch", 5]],
    ["bhn,hn->b", ["batch", 2, 3], [2, 3]],
    ["nc,bchw->bnhw", [3, 2], ["batch", 2, 2, 4]],
  ].map(([equation, a, b]) => ({
    op: "Einsum",
    attributes: { equation: equation as string },
    inputs: { a: a as readonly number[], b: b as readonly number[] },
  })),
  { op: "Einsum", attributes: { equation: "bij->bji" }, inputs: { a: ["batch", 3, 4] } },
];
