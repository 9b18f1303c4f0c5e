/** Models that ONNX Runtime has optimized and written itself; it says what their edits compute. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as ort from "onnxruntime-node";
import { expect, test } from "vitest";
import { distance, edit, fixture, recordedAt, run } from "./workbench.ts";

const folder = mkdtempSync(join(tmpdir(), "graftc-optimized-"));

/** The model as its optimizer leaves it for this machine. */
async function optimized(path: string, level: "basic" | "extended"): Promise<string> {
  const written = join(folder, `${level}.onnx`);
  const options = { graphOptimizationLevel: level, optimizedModelFilePath: written } as const;
  const session = await ort.InferenceSession.create(path, { ...options, logSeverityLevel: 4 });
  await session.release();
  return written;
}

test.each(["basic", "extended"] as const)("%s: new products may be fused", async (level) => {
  const name = "dit-tiny-dynamo18-static";
  const path = await optimized(fixture(name), level);
  const { feeds, outputs } = recordedAt(`test/fixtures/models/${name}.io.safetensors`);
  const { model } = await edit(
    path,
    "resize blocks[all].mlp to ratio 5\nreplace blocks[0].attn with mha",
  );
  const { difference, scale } = distance(outputs.out!, (await run(model, feeds)).out!);
  expect(difference / scale).toBeLessThan(5e-6);
  await run((await edit(path, "replace blocks[all].mlp with mlp")).model, feeds);
});

test.each(["mha", "mamba2"])("float16 that is computed in float32: %s", async (operator) => {
  const path = await optimized("test/fixtures/fused/vit-ts17-fp16.onnx", "basic");
  const { feeds, outputs } = recordedAt("test/fixtures/fused/vit-ts17-fp16.io.safetensors");
  const { model, report } = await edit(path, `replace blocks[0].attn with ${operator}`);
  const [found] = Object.values(await run(model, feeds));
  const { difference, scale } = distance(outputs[""]!, found!);
  if (operator === "mha") expect(difference / scale).toBeLessThan(4e-3);
  const types = report.weights.map(({ name }) => model.graph.values.get(name)!.initializer!.dtype);
  expect(new Set(types)).toEqual(new Set(["float16"]));
});
