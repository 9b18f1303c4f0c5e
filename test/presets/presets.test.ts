import { expect, test } from "vitest";
import { type Bytes, materialize } from "../../src/ir/bytes.ts";
import { parameters } from "../../src/measure/index.ts";
import { createPreset, presetNames } from "../../src/presets/index.ts";

const producer = { name: "graftc", version: "0" };
const make = (name: string, options = {}) => createPreset(name, "m.onnx", { producer, ...options });

/** As PyTorch counts them; PixArt-Sigma's with its position table, a buffer of 4096 x 1152. */
const counts = {
  "dit-s/2": 32_963_360,
  "dit-b/2": 130_512_416,
  "dit-l/2": 458_102_816,
  "dit-xl/2": 675_129_632,
  "pixart-sigma": 610_856_096 + 4096 * 1152,
};

test.each(Object.entries(counts))("%s has the parameters of the real one", (name, count) => {
  expect(parameters(make(name))).toBe(count);
});

test("every preset is counted", () => {
  expect(Object.keys(counts)).toEqual(presetNames);
});

const tiny = { depth: 2, width: 32, heads: 4, tokens: 16 };

test("weights bear the names of the checkpoints", () => {
  const names = (name: string) => [...make(name, tiny).graph.initializers].map((v) => v.name);
  const dit = names("dit-s/2");
  expect(dit.filter((name) => name.startsWith("blocks.1.")).sort()).toEqual([
    "blocks.1.adaLN_modulation.1.bias",
    "blocks.1.adaLN_modulation.1.weight",
    "blocks.1.attn.proj.bias",
    "blocks.1.attn.proj.weight",
    "blocks.1.attn.qkv.bias",
    "blocks.1.attn.qkv.weight",
    "blocks.1.mlp.fc1.bias",
    "blocks.1.mlp.fc1.weight",
    "blocks.1.mlp.fc2.bias",
    "blocks.1.mlp.fc2.weight",
  ]);
  expect(dit.filter((name) => !name.startsWith("blocks.")).sort()).toEqual([
    "final_layer.adaLN_modulation.1.bias",
    "final_layer.adaLN_modulation.1.weight",
    "final_layer.linear.bias",
    "final_layer.linear.weight",
    "pos_embed",
    "t_embedder.mlp.0.bias",
    "t_embedder.mlp.0.weight",
    "t_embedder.mlp.2.bias",
    "t_embedder.mlp.2.weight",
    "x_embedder.proj.bias",
    "x_embedder.proj.weight",
    "y_embedder.embedding_table.weight",
  ]);
  expect(names("pixart-sigma")).toContain("transformer_blocks.1.attn2.to_out.0.weight");
});

function weight(options: object, name: string): Float32Array {
  const value = make("dit-s/2", { ...tiny, ...options }).graph.values.get(name)!;
  return floats(value.initializer!.data);
}

function floats(data: Bytes): Float32Array {
  return new Float32Array(Uint8Array.from(materialize(data)).buffer);
}

const qkv = "blocks.0.attn.qkv.weight";

test("a seed and a name make a weight", () => {
  expect(weight({}, qkv)).toEqual(weight({ seed: 0 }, qkv));
  expect(weight({}, qkv)).toEqual(weight({ depth: 1 }, qkv));
  expect(weight({}, qkv)).not.toEqual(weight({ seed: 1 }, qkv));
  expect(weight({}, qkv)).not.toEqual(weight({}, "blocks.1.attn.qkv.weight"));
});

test("linear weights are xavier, embeddings normal(0.02), what adds to a stream zero", () => {
  const wide = { width: 256, depth: 1 };
  const bound = Math.sqrt(6 / (256 + 3 * 256));
  const uniform = weight(wide, qkv);
  expect(uniform.filter((x) => Math.abs(x) > Math.fround(bound))).toHaveLength(0);
  expect(variance(uniform) / (bound ** 2 / 3)).toBeCloseTo(1, 1);
  expect(variance(weight(wide, "y_embedder.embedding_table.weight")) / 0.02 ** 2).toBeCloseTo(1, 1);
  expect(new Set(weight(wide, "blocks.0.adaLN_modulation.1.weight"))).toEqual(new Set([0]));
  expect(new Set(weight(wide, "final_layer.linear.weight"))).toEqual(new Set([0]));
});

function variance(values: Float32Array): number {
  const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
  return values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length;
}

test("columns, then rows, each as sines and cosines", () => {
  const table = weight({}, "pos_embed");
  const [column, row] = [3, 2];
  const at = (4 * row + column) * 32;
  expect(table[at + 1]).toBeCloseTo(Math.sin(column * 10000 ** (-1 / 8)), 6);
  expect(table[at + 8]).toBeCloseTo(Math.cos(column), 6);
  expect(table[at + 16]).toBeCloseTo(Math.sin(row), 6);
});

test("nobody's edit made the nodes", () => {
  const { graph } = make("dit-s/2", tiny);
  expect(graph.nodes.filter((node) => [...node.metadata].length > 0)).toEqual([]);
  expect(graph.nodes.map((node) => node.name)).toContain("/blocks.1/attn/qkv/MatMul");
});

test.each([
  [{ depth: 100_000 }, "--depth 100000"],
  [{ width: 1_000_000, heads: 100 }, "--width 1000000"],
])("%o is beyond any model", (size, flag) => {
  expect(() => make("dit-s/2", size)).toThrow(flag);
});
