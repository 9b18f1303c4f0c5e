/** Streams that are cut and joined between blocks: a copy of such a block starts as the identity. */
import * as ort from "onnxruntime-node";
import { expect, test } from "vitest";
import { filled } from "../anatomy/models.ts";
import { distance, editModel, run } from "./workbench.ts";

/** Numbers for every input, at a batch of 2. */
function feedsOf({ graph }: Awaited<ReturnType<typeof filled>>) {
  return Object.fromEntries(
    graph.inputs.map(({ name, type }) => {
      const shape = type!.shape!.map((dim) => (typeof dim === "number" ? dim : 2));
      const size = shape.reduce((a, b) => a * b, 1);
      const data = Float32Array.from({ length: size }, (_, i) => Math.sin(i * i + size));
      return [name, new ort.Tensor("float32", data, shape)];
    }),
  );
}

test("repeated single blocks of Flux change nothing", async () => {
  const model = await filled("flux-dynamo20");
  const feeds = feedsOf(model);
  const before = (await run(model, feeds)).sample!;
  const stack = "transformer.single_transformer_blocks";
  const { report } = await editModel(model, `repeat ${stack}[all] times 2`);
  expect(report.diagnostics).toEqual([]);
  expect(report.keepsFunction).toBe(true);
  const { difference, scale } = distance(before, (await run(model, feeds)).sample!);
  expect(difference / scale).toBeLessThan(2e-6);
});
