/**
 * Scores and values that are computed transposed, a norm, a factor and a rotation one after the other,
 * heads that share keys, keys that are rotated in another layout than queries where sizes do not tell
 * which, biases behind a split: whatever is taken for a plain attention must be one.
 */
import * as ort from "onnxruntime-node";
import { expect, test } from "vitest";
import { filled } from "../anatomy/models.ts";
import { distance, editModel, run } from "./workbench.ts";

test.each([
  ["attn-turned-ts17", 6],
  ["attn-rotations-ts17", 4],
  ["attn-latebias-ts17-sim", 6],
])("mha does what the attentions of %s did", async (name, tokens) => {
  const model = await filled(name);
  const x = Float32Array.from({ length: 2 * tokens * 5 }, (_, i) => Math.sin(i * i));
  const given = { x: new ort.Tensor("float32", x, [2, tokens, 5]) };
  const before = Object.values(await run(model, given))[0]!;
  const { report } = await editModel(model, "replace blocks[all].attn with mha");
  expect([report.diagnostics, report.keepsFunction]).toEqual([[], true]);
  const { difference, scale } = distance(before, Object.values(await run(model, given))[0]!);
  expect(difference / scale).toBeLessThan(2e-6);
});
