/** Exporters that fuse Reshapes split heads into the pairs of features that rotate at once. */
import * as ort from "onnxruntime-node";
import { expect, test } from "vitest";
import { anatomize } from "../../src/anatomy/index.ts";
import type { Model } from "../../src/ir/graph.ts";
import { Patch } from "../../src/onnx-ops/patch.ts";
import { filled } from "../anatomy/models.ts";
import { distance, editModel, reread, run } from "./workbench.ts";

/** The model with one Reshape in the place of two in a row. */
async function fused(model: Model): Promise<{ model: Model; count: number }> {
  const { nodes } = model.graph;
  const patch = new Patch(model.graph, null, "");
  const second = nodes.filter(
    ({ name, opType, inputs, outputs }) =>
      name.includes("attn1") &&
      opType === "Reshape" &&
      inputs[0]!.producer?.opType === "Reshape" &&
      outputs[0]!.type?.shape?.length === 5,
  );
  for (const node of second) patch.rewire(node, 0, node.inputs[0]!.producer!.inputs[0]!);
  patch.commit();
  return { model: await reread(model), count: second.length };
}

test("attention that rotates pairs of features is read, and another takes its place", async () => {
  const { model, count } = await fused(await filled("wan-ts17"));
  const feeds = Object.fromEntries(
    model.graph.inputs.map(({ name, type }) => {
      const shape = type!.shape!.map((dim) => (typeof dim === "number" ? dim : 2));
      const size = shape.reduce((a, b) => a * b, 1);
      const data = Float32Array.from({ length: size }, (_, i) => Math.sin(i * i + size));
      const whole = type!.dtype === "int64";
      const values = whole ? BigInt64Array.from(data, () => 300n) : data;
      return [name, new ort.Tensor(type!.dtype as "float32", values as Float32Array, shape)];
    }),
  );
  const { blocks } = anatomize(model).stacks[0]!;
  expect(count).toBe(2 * blocks.length);
  for (const { parts } of blocks) {
    expect(parts.get("attn")!.host).toMatchObject({ opaque: null, headDim: 12 });
  }
  const [output] = model.graph.outputs;
  const before = (await run(model, feeds))[output!.name]!;
  const { report } = await editModel(model, "replace blocks[1].attn with mha");
  expect(report.diagnostics).toEqual([]);
  expect(report.keepsFunction).toBe(true);
  const { difference, scale } = distance(before, (await run(model, feeds))[output!.name]!);
  expect(difference / scale).toBeLessThan(2e-6);
});
