/**
 * PixArt-Sigma (Chen et al. 2024), under the names of diffusers' PixArtTransformer2DModel. Started
 * as in the authors' code: linear weights xavier, embeddings normal(0.02), zeros in the output
 * projections of cross-attention and in the last layer.
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
import { normal, type Start, xavier, zeros } from "./weights.ts";

const channels = 4;
const outputs = 2 * channels;
/** Width of the text encoder's states (T5-XXL). */
const captionWidth = 4096;
const embedding = normal(0.02);

export const pixart: Recipe = {
  inputs: ({ side, patch }) => ({
    hidden_states: { dtype: "float32", shape: ["batch", channels, side * patch, side * patch] },
    encoder_hidden_states: { dtype: "float32", shape: ["batch", "captions", captionWidth] },
    timestep: { dtype: "int64", shape: ["batch"] },
    encoder_attention_mask: { dtype: "float32", shape: ["batch", "captions"] },
  }),
  output: ({ side, patch }) => ({
    name: "sample",
    type: { dtype: "float32", shape: ["batch", outputs, side * patch, side * patch] },
  }),
  grow(growth, [image, states, t, seen], size) {
    const { side, width, depth, patch } = size;
    const tokens = embedPatches(at(growth, "pos_embed.proj"), image!, [channels, width, patch]);
    const grid = positions(side, width, Math.max(Math.floor((side * patch) / 64), 1));
    const place = table(growth, "pos_embed.pos_embed", [1, side * side, width], grid);
    const time = embedTime(at(growth, "adaln_single"), t!, width);
    const shared: Shared = {
      modulation: time.modulation,
      caption: embedCaption(at(growth, "caption_projection"), states!, width),
      mask: hide(growth, seen!),
    };
    let x = op(growth, "Add", [tokens, place]);
    for (let i = 0; i < depth; i++) {
      x = block(at(growth, `transformer_blocks.${i}`), x, shared, size);
    }
    return unpatchify(growth, finalLayer(growth, x, time.embedded, size), [side, patch, outputs]);
  },
};

interface Shared {
  /** [B, 6, D], to which every block adds a table of its own. */
  readonly modulation: Value;
  /** [B, M, D] */
  readonly caption: Value;
  /** [B, 1, 1, M], added to the scores. */
  readonly mask: Value;
}

function embedTime(growth: Growth, t: Value, width: number) {
  const layers = at(growth, "emb.timestep_embedder");
  const features = waves(at(growth, "emb.time_proj"), t, timeRates(128));
  const hidden = gemm(layers, "linear_1", features, [256, width], embedding);
  const active = silu(at(layers, "act"), hidden);
  const embedded = gemm(layers, "linear_2", active, [width, width], embedding);
  const all = gemm(growth, "linear", silu(growth, embedded), [width, 6 * width], embedding);
  return { embedded, modulation: reshape(growth, all, [0, 6, width]) };
}

function embedCaption(growth: Growth, states: Value, width: number): Value {
  const hidden = linear(growth, "linear_1", states, [captionWidth, width], embedding);
  const active = gelu(at(growth, "act_1"), hidden);
  return linear(growth, "linear_2", active, [width, width], embedding);
}

/** 1 for a token that is seen, 0 for one that is not, as what is added to the scores. */
function hide(growth: Growth, seen: Value): Value {
  const { patch } = growth;
  const missing = op(growth, "Sub", [patch.scalar("float32", 1), seen]);
  const penalty = op(growth, "Mul", [missing, patch.scalar("float32", -10000)]);
  return op(growth, "Unsqueeze", [penalty, patch.ints([1, 2])]);
}

/** A module's own rows added to what the time gives: `parts` values [B, 1, D]. */
function tableOf(growth: Growth, row: Value, width: number, parts: number) {
  const own = weight(growth, "scale_shift_table", [parts, width], normal(width ** -0.5));
  return split(growth, op(growth, "Add", [own, row]), 1, parts);
}

function block(growth: Growth, input: Value, shared: Shared, size: Size): Value {
  const { width } = size;
  const values = tableOf(growth, shared.modulation, width, 6);
  const mixed = branch(growth, input, values.slice(0, 3), {
    norm: "norm1",
    width,
    part: (x) => attention(at(growth, "attn1"), [x, x], size),
  });
  const told = attention(at(growth, "attn2"), [mixed, shared.caption], size, shared.mask);
  return branch(growth, op(growth, "Add", [told, mixed]), values.slice(3), {
    norm: "norm2",
    width,
    part: (x) => feedForward(at(growth, "ff"), x, width),
  });
}

/** Self-attention, or with a mask cross-attention, which starts at zero. */
function attention(
  growth: Growth,
  [x, source]: readonly [Value, Value],
  { width, heads }: Size,
  mask?: Value,
): Value {
  const headsOf = (step: string, from: Value) => {
    const rows = linear(growth, step, from, [width, width]);
    return transpose(growth, reshape(growth, rows, [0, -1, heads, width / heads]), [0, 2, 1, 3]);
  };
  const qkv = [headsOf("to_q", x), headsOf("to_k", source), headsOf("to_v", source)];
  const y = attend(growth, qkv, { heads, width, ...(mask && { mask }) });
  const start: Start = mask ? zeros : xavier(width, width);
  return linear(growth, "to_out.0", y, [width, width], start);
}

function feedForward(growth: Growth, x: Value, width: number): Value {
  const hidden = linear(growth, "net.0.proj", x, [width, 4 * width]);
  return linear(growth, "net.2", gelu(at(growth, "net.0"), hidden), [4 * width, width]);
}

function finalLayer(growth: Growth, x: Value, embedded: Value, { width, patch }: Size): Value {
  const row = op(growth, "Unsqueeze", [embedded, growth.patch.ints([1])]);
  const [shift, scale] = tableOf(growth, row, width, 2);
  const normed = layerNorm(at(growth, "norm_out"), x, width);
  const modulated = modulate(growth, normed, shift!, scale!);
  return linear(growth, "proj_out", modulated, [width, patch * patch * outputs], zeros);
}
