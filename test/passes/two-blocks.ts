/** Two DiT blocks on tokens x under a condition c, and nothing else: the subject of the goldens. */

import type { Model, Value } from "../../src/ir/graph.ts";
import { blankModel, declareOutput } from "../../src/onnx-ops/blank-model.ts";
import { Patch } from "../../src/onnx-ops/patch.ts";
import {
  at,
  attend,
  branch,
  type Growth,
  gelu,
  gemm,
  linear,
  op,
  reshape,
  silu,
  split,
  transpose,
} from "../../src/presets/growth.ts";

export interface BlockSizes {
  readonly tokens: number;
  readonly width: number;
  readonly heads: number;
}

export function twoBlocks(sizes: BlockSizes): Model {
  const { tokens, width } = sizes;
  const model = blankModel({
    path: "two-blocks.onnx",
    opset: 20,
    irVersion: 10,
    producer: { name: "test", version: "0" },
    inputs: {
      x: { dtype: "float32", shape: ["batch", tokens, width] },
      c: { dtype: "float32", shape: ["batch", width] },
    },
  });
  const [x, c] = model.graph.inputs;
  const patch = new Patch(model.graph, null, "");
  const growth: Growth = { patch, seed: 0, path: "" };
  const first = block(at(growth, "blocks.0"), x!, c!, sizes);
  const second = block(at(growth, "blocks.1"), first, c!, sizes);
  patch.commit();
  declareOutput(model, second, "y", { dtype: "float32", shape: ["batch", tokens, width] });
  return model;
}

function block(growth: Growth, input: Value, c: Value, { tokens, width, heads }: BlockSizes) {
  const row = gemm(growth, "adaLN_modulation.1", silu(growth, c), [width, 6 * width]);
  const rows = op(growth, "Unsqueeze", [row, growth.patch.ints([1])]);
  const values = split(growth, rows, 2, 6);
  const attention = (x: Value) => {
    const inner = at(growth, "attn");
    const fused = linear(inner, "qkv", x, [width, 3 * width]);
    const shaped = reshape(inner, fused, [-1, tokens, 3, heads, width / heads]);
    const pieces = split(inner, transpose(inner, shaped, [2, 0, 3, 1, 4]), 0, 3);
    const qkv = pieces.map((piece) => op(inner, "Squeeze", [piece, inner.patch.ints([0])]));
    return linear(inner, "proj", attend(inner, qkv, { heads, width }), [width, width]);
  };
  const mlp = (x: Value) => {
    const inner = at(growth, "mlp");
    return linear(inner, "fc2", gelu(inner, linear(inner, "fc1", x, [width, 4 * width])), [
      4 * width,
      width,
    ]);
  };
  const middle = branch(growth, input, values.slice(0, 3), {
    norm: "norm1",
    width,
    part: attention,
  });
  return branch(growth, middle, values.slice(3), { norm: "norm2", width, part: mlp });
}
