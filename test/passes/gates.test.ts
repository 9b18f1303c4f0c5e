/**
 * Gates made of a block's own tokens, streams that move towards a branch by x + g (f(x) - x), keys of
 * another block, and experts beside an MLP: a part ends at its last projection, and what stands behind
 * it stays when the part is replaced.
 */
import * as ort from "onnxruntime-node";
import { expect, test } from "vitest";
import { open } from "../anatomy/models.ts";
import { distance, editModel, run } from "./workbench.ts";

const again = `
operator again() for mlp {
  layer fc1 = linear(D, 12) from host.fc1
  layer fc2 = linear(12, D) from host.fc2
  return fc2(relu(fc1(x)))
}`;

test.each([
  ["attention", "replace blocks[0..2, 4].attn with mha"],
  ["MLP", `${again} replace blocks[0..3].mlp with again`],
  ["second MLP", `${again} replace blocks[4].mlp2 with again`],
])("the same %s in its place does what was there", async (_, text) => {
  const model = await open("block-gates-ts17");
  const x = Float32Array.from({ length: 2 * 6 * 5 }, (_, i) => Math.sin(i * i));
  const given = { x: new ort.Tensor("float32", x, [2, 6, 5]) };
  const before = Object.values(await run(model, given))[0]!;
  const { report } = await editModel(model, text);
  expect(report.diagnostics).toEqual([]);
  const { difference, scale } = distance(before, Object.values(await run(model, given))[0]!);
  expect(difference / scale).toBeLessThan(2e-6);
});
