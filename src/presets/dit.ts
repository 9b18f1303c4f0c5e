/**
 * DiT (Peebles & Xie 2023), under the names of its public checkpoints. Started as in the paper,
 * adaLN-Zero: linear weights xavier, embeddings normal(0.02), zeros in every adaLN and in the last
 * layer. So every block starts as the identity, and the output as zero.
 */
import type { Value } from "../ir/graph.ts";
import {
  at,
  attend,
  branch,
  embedPatches,
  type Growth,
  gelu,
  gemm,
  layerNorm,
  linear,
  modulate,
  op,
  reshape,
  silu,
  split,
  table,
  transpose,
  unpatchify,
  waves,
  weight,
} from "./growth.ts";
import type { Recipe, Size } from "./recipe.ts";
import { positions, timeRates } from "./tables.ts";
import { normal, zeros } from "./weights.ts";

const channels = 4;
/** The noise and what interpolates its variance. */
const outputs = 2 * channels;
const classes = 1000;
const embedding = normal(0.02);

export const dit: Recipe = {
  inputs: ({ side, patch }) => ({
    x: { dtype: "float32", shape: ["batch", channels, side * patch, side * patch] },
    t: { dtype: "int64", shape: ["batch"] },
    y: { dtype: "int64", shape: ["batch"] },
  }),
  output: ({ side, patch }) => ({
    name: "out",
    type: { dtype: "float32", shape: ["batch", outputs, side * patch, side * patch] },
  }),
  grow(growth, [image, t, y], size) {
    const { side, width, depth, patch } = size;
    const tokens = embedPatches(at(growth, "x_embedder.proj"), image!, [channels, width, patch]);
    const place = table(growth, "pos_embed", [1, side * side, width], positions(side, width, 1));
    const condition = embedCondition(growth, t!, y!, width);
    let x = op(growth, "Add", [tokens, place]);
    for (let i = 0; i < depth; i++) x = block(at(growth, `blocks.${i}`), x, condition, size);
    const last = finalLayer(at(growth, "final_layer"), x, condition, size);
    return unpatchify(growth, last, [side, patch, outputs]);
  },
};

/** SiLU of the embedded time and label, [B, D]: what every adaLN reads. */
function embedCondition(growth: Growth, t: Value, y: Value, width: number): Value {
  const time = at(growth, "t_embedder");
  const features = waves(time, t, timeRates(128));
  const hidden = gemm(time, "mlp.0", features, [256, width], embedding);
  const embedded = gemm(time, "mlp.2", silu(at(time, "mlp.1"), hidden), [width, width], embedding);
  const labels = at(growth, "y_embedder.embedding_table");
  const rows = weight(labels, "weight", [classes + 1, width], embedding);
  return silu(growth, op(growth, "Add", [embedded, op(labels, "Gather", [rows, y])]));
}

/** What a module takes from the condition: `parts` values [B, 1, D]. */
function modulation(growth: Growth, condition: Value, width: number, parts: number) {
  const row = gemm(growth, "adaLN_modulation.1", condition, [width, parts * width], zeros);
  return split(growth, op(growth, "Unsqueeze", [row, growth.patch.ints([1])]), 2, parts);
}

function block(growth: Growth, input: Value, condition: Value, size: Size): Value {
  const { width } = size;
  const values = modulation(growth, condition, width, 6);
  const middle = branch(growth, input, values.slice(0, 3), {
    norm: "norm1",
    width,
    part: (x) => attention(at(growth, "attn"), x, size),
  });
  return branch(growth, middle, values.slice(3), {
    norm: "norm2",
    width,
    part: (x) => mlp(at(growth, "mlp"), x, width),
  });
}

/** Rows of qkv are q, k, v, each head by head. */
function attention(growth: Growth, x: Value, { width, heads, side }: Size): Value {
  const fused = linear(growth, "qkv", x, [width, 3 * width]);
  const rows = reshape(growth, fused, [-1, side * side, 3, heads, width / heads]);
  const pieces = split(growth, transpose(growth, rows, [2, 0, 3, 1, 4]), 0, 3);
  const first = growth.patch.ints([0]);
  const qkv = pieces.map((piece) => op(growth, "Squeeze", [piece, first]));
  return linear(growth, "proj", attend(growth, qkv, { heads, width }), [width, width]);
}

function mlp(growth: Growth, x: Value, width: number): Value {
  const hidden = gelu(at(growth, "act"), linear(growth, "fc1", x, [width, 4 * width]));
  return linear(growth, "fc2", hidden, [4 * width, width]);
}

function finalLayer(growth: Growth, x: Value, condition: Value, { width, patch }: Size): Value {
  const [shift, scale] = modulation(growth, condition, width, 2);
  const normed = layerNorm(at(growth, "norm_final"), x, width);
  const modulated = modulate(growth, normed, shift!, scale!);
  return linear(growth, "linear", modulated, [width, patch * patch * outputs], zeros);
}
