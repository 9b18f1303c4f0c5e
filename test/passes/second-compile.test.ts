/** Models that an edit took parts from, edited again: what is left of a block goes with it. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as ort from "onnxruntime-node";
import { afterAll, expect, test } from "vitest";
import { compareModels } from "../../runtime/verify/compare.ts";
import { filled } from "../anatomy/models.ts";
import { bytesOf, distance, edit, read, run } from "./workbench.ts";

const folder = mkdtempSync(join(tmpdir(), "graftc-second-"));
afterAll(() => rmSync(folder, { recursive: true }));

const random = (dims: number[], seed: number) => {
  const size = dims.reduce((a, b) => a * b, 1);
  const numbers = Array.from({ length: size }, (_, i) => Math.sin(1 + i * 12.9898 * (seed + 1)));
  return new ort.Tensor("float32", Float32Array.from(numbers), dims);
};

const models = {
  "written/affine": { x: random([2, 5, 16], 0) },
  "written/centred": { x: random([2, 5, 16], 0) },
  "diffusion/joint": { x: random([2, 6, 8], 0), c: random([2, 4, 8], 1) },
};

test.each([
  ["written/affine", 0, "attn"],
  ["written/affine", 0, "mlp"],
  ["written/affine", 1, "attn"],
  ["written/affine", 1, "mlp"],
  ["written/centred", 1, "attn"],
  ["diffusion/joint", 0, "attn"],
  ["diffusion/joint", 1, "attn"],
  ["diffusion/joint", 1, "mlp"],
] as const)("%s: block %i without its %s goes as a whole", async (name, block, part) => {
  const path = `test/fixtures/${name}.onnx`;
  const between = join(folder, `${name.replace("/", "-")}-${block}-${part}.onnx`);
  const { model: first } = await edit(path, `remove blocks[${block}].${part}`);
  writeFileSync(between, bytesOf(first));
  const { model } = await edit(between, `remove blocks[${block}]`);
  const { model: whole } = await edit(path, `remove blocks[${block}]`);
  const [twice, once] = await Promise.all([run(model, models[name]), run(whole, models[name])]);
  const { difference, scale } = distance(once.y!, twice.y!);
  expect(scale).toBeGreaterThan(0.1);
  expect(difference / scale).toBeLessThan(1e-6);
});

const operators = `
  operator halved for attn { return 0.5 * x }
  operator half for mlp { return 0.5 * x }`;

async function saved(name: string, bytes: Uint8Array): Promise<string> {
  const path = join(folder, `${name}.onnx`);
  writeFileSync(path, bytes);
  return path;
}

const block = "transformer.transformer_blocks";
const never = "remove blocks[0, 1].attn\nremove blocks[0, 1].norm1";
const copies = "remove blocks[0].mlp\nremove blocks[2].attn\nrepeat blocks[2] times 3";

test.each([
  ["wav2vec2-dynamo20", "remove blocks[0].mlp", "replace blocks[0].attn with halved"],
  ["wav2vec2-dynamo20", "replace blocks[1].attn with halved", "remove blocks[0].attn"],
  ["wav2vec2-dynamo20", copies, "remove blocks[1]"],
  ["wav2vec2-dynamo20", never, "remove blocks[0]"],
  ["gptneox-dynamo20", "replace blocks[0].attn with halved", "replace blocks[0].mlp with half"],
  ["block-gates-ts17", "replace blocks[0].attn with mha", "remove blocks[4].mlp"],
  ["flux-dynamo20", `remove ${block}[0].mlp`, `replace ${block}[1].context_mlp with half`],
  ["timm-xcit-dynamo20", "remove vision.blocks[1].attn2", "remove vision.blocks[0].mlp"],
  ["falcon-ts17", "replace blocks[2].mlp with half", "remove blocks[0].mlp"],
  ["sd35-dual-dynamo20", "remove blocks[2].attn", "remove blocks[1].attn"],
])("%s: %s, then %s, are what both are at once", async (name, first, second) => {
  const bytes = async (path: string, text: string) =>
    bytesOf((await edit(path, `${text}${operators}`)).model);
  const path = await saved(name, bytesOf(await filled(name)));
  const between = await saved(`${name}-between`, await bytes(path, first));
  const before = await saved(`${name}-both`, await bytes(path, `${first}\n${second}`));
  const after = await saved(`${name}-twice`, await bytes(between, second));
  const { outputs } = await compareModels({ before, after, model: await read(before) });
  for (const { absolute, scale } of outputs) expect(absolute / scale).toBeLessThan(1e-5);
});
