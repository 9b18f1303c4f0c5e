/** Models that an edit took parts from, edited again: what is left of a block goes with it. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as ort from "onnxruntime-node";
import { afterAll, expect, test } from "vitest";
import { bytesOf, distance, edit, run } from "./workbench.ts";

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
