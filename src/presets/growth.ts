/** The layers that presets are made of, written as PyTorch's exporters write them. */
import type { Bytes } from "../ir/bytes.ts";
import type { Value } from "../ir/graph.ts";
import { float } from "../onnx-ops/attributes.ts";
import type { NodeOptions, Patch } from "../onnx-ops/patch.ts";
import { drawn, type Start, xavier, zeros } from "./weights.ts";

/** A model while it grows, and the module whose layers are being made. */
export interface Growth {
  readonly patch: Patch;
  /** Of the weights. */
  readonly seed: number;
  /** `blocks.3.attn` */
  readonly path: string;
}

/** The same model, inside a module of the present one. */
export function at(growth: Growth, step: string): Growth {
  return { ...growth, path: nameIn(growth, step) };
}

function nameIn({ path }: Growth, step: string): string {
  return path === "" ? step : `${path}.${step}`;
}

export function op(
  { patch, path }: Growth,
  opType: string,
  inputs: readonly Value[],
  attributes: NodeOptions["attributes"] = {},
): Value {
  return patch.within(path, () => patch.one(opType, inputs, { attributes }));
}

export function reshape(growth: Growth, x: Value, shape: readonly number[]): Value {
  return op(growth, "Reshape", [x, growth.patch.ints(shape)]);
}

export function transpose(growth: Growth, x: Value, perm: readonly number[]): Value {
  return op(growth, "Transpose", [x], { perm });
}

/** Equal pieces along an axis. */
export function split(
  { patch, path }: Growth,
  x: Value,
  axis: number,
  pieces: number,
): readonly Value[] {
  const attributes = { axis, num_outputs: pieces };
  return patch.within(path, () => patch.add("Split", [x], { attributes, outputs: pieces }));
}

export function weight(
  growth: Growth,
  step: string,
  shape: readonly number[],
  start: Start,
): Value {
  const name = nameIn(growth, step);
  return growth.patch.weight(name, "float32", shape, drawn(growth.seed, name, shape, start));
}

/** A table that no seed changes. */
export function table(growth: Growth, step: string, shape: readonly number[], data: Bytes): Value {
  return growth.patch.weight(nameIn(growth, step), "float32", shape, data);
}

/** [B, N, in] -> [B, N, out]: MatMul with W [in, out], Add. */
export function linear(
  outer: Growth,
  step: string,
  x: Value,
  [inputs, outputs]: readonly [number, number],
  start: Start = xavier(inputs, outputs),
): Value {
  const growth = at(outer, step);
  const product = op(growth, "MatMul", [x, weight(growth, "weight", [inputs, outputs], start)]);
  return op(growth, "Add", [product, weight(growth, "bias", [outputs], zeros)]);
}

/** [B, in] -> [B, out]: one Gemm with W [out, in]. */
export function gemm(
  outer: Growth,
  step: string,
  x: Value,
  [inputs, outputs]: readonly [number, number],
  start: Start = xavier(inputs, outputs),
): Value {
  const growth = at(outer, step);
  const w = weight(growth, "weight", [outputs, inputs], start);
  return op(growth, "Gemm", [x, w, weight(growth, "bias", [outputs], zeros)], { transB: 1 });
}

export function silu(growth: Growth, x: Value): Value {
  return op(growth, "Mul", [x, op(growth, "Sigmoid", [x])]);
}

export function gelu(growth: Growth, x: Value): Value {
  return op(growth, "Gelu", [x], { approximate: "tanh" });
}

/** LayerNormalization without weights over the last axis. */
export function layerNorm(growth: Growth, x: Value, width: number): Value {
  const ones = new Float32Array(width).fill(1);
  const data = { kind: "memory", data: new Uint8Array(ones.buffer) } as const;
  const scale = growth.patch.constant("float32", [width], data);
  return op(growth, "LayerNormalization", [x, scale], { axis: -1, epsilon: float(1e-6) });
}

/** x (1 + scale) + shift. */
export function modulate(growth: Growth, x: Value, shift: Value, scale: Value): Value {
  const factor = op(growth, "Add", [scale, growth.patch.scalar("float32", 1)]);
  return op(growth, "Add", [op(growth, "Mul", [x, factor]), shift]);
}

/** x + gate * part(modulate(norm(x))), the branch of an adaLN block. */
export function branch(
  growth: Growth,
  x: Value,
  [shift, scale, gate]: readonly Value[],
  { norm, width, part }: { norm: string; width: number; part: (x: Value) => Value },
): Value {
  const normed = layerNorm(at(growth, norm), x, width);
  const y = part(modulate(growth, normed, shift!, scale!));
  return op(growth, "Add", [x, op(growth, "Mul", [gate!, y])]);
}

/** Patches of an image as tokens: [B, C, H, W] -> [B, N, width]. */
export function embedPatches(
  growth: Growth,
  image: Value,
  [channels, width, size]: readonly [channels: number, width: number, patch: number],
): Value {
  const start = xavier(channels * size * size, width);
  const w = weight(growth, "weight", [width, channels, size, size], start);
  const b = weight(growth, "bias", [width], zeros);
  const attributes = { kernel_shape: [size, size], strides: [size, size] };
  const grid = op(growth, "Conv", [image, w, b], attributes);
  return transpose(growth, reshape(growth, grid, [0, 0, -1]), [0, 2, 1]);
}

/** Cosines and sines of t at `rates`, [B] -> [B, 2 rates]. */
export function waves(growth: Growth, t: Value, rates: Float32Array): Value {
  const data = { kind: "memory", data: new Uint8Array(rates.buffer) } as const;
  const row = growth.patch.constant("float32", [1, rates.length], data);
  const column = op(growth, "Unsqueeze", [
    op(growth, "Cast", [t], { to: 1 }),
    growth.patch.ints([1]),
  ]);
  const angles = op(growth, "Mul", [column, row]);
  return op(growth, "Concat", [op(growth, "Cos", [angles]), op(growth, "Sin", [angles])], {
    axis: 1,
  });
}

/**
 * softmax(q k^T / sqrt(d) + mask) v; q, k, v are [B, H, N, d], the result is [B, N, H d].
 * @param mask added to the scores [B, H, N, M]
 */
export function attend(
  growth: Growth,
  [q, k, v]: readonly Value[],
  { heads, width, mask }: { heads: number; width: number; mask?: Value },
): Value {
  const scale = growth.patch.scalar("float32", (width / heads) ** -0.5);
  const keys = transpose(growth, k!, [0, 1, 3, 2]);
  const scores = op(growth, "MatMul", [op(growth, "Mul", [q!, scale]), keys]);
  const seen = mask ? op(growth, "Add", [scores, mask]) : scores;
  const mixed = op(growth, "MatMul", [op(growth, "Softmax", [seen], { axis: -1 }), v!]);
  return reshape(growth, transpose(growth, mixed, [0, 2, 1, 3]), [0, -1, width]);
}

/** Tokens back to an image: [B, side^2, p p C] -> [B, C, side p, side p]. */
export function unpatchify(
  growth: Growth,
  x: Value,
  [side, p, channels]: readonly [side: number, patch: number, channels: number],
): Value {
  const cells = reshape(growth, x, [-1, side, side, p, p, channels]);
  const planes = transpose(growth, cells, [0, 5, 1, 3, 2, 4]);
  return reshape(growth, planes, [-1, channels, side * p, side * p]);
}
