/** SkipLayerNormalization adds the bias of the projection before it: that leaves with its part. */
import * as ort from "onnxruntime-node";
import { expect, test } from "vitest";
import { materialize } from "../../src/ir/bytes.ts";
import { open } from "../anatomy/models.ts";
import { distance, editModel, run } from "./workbench.ts";

const ids = (columns: number) =>
  new ort.Tensor("int64", new BigInt64Array(2 * columns).fill(5n), [2, columns]);

test.each([
  ["attn with mha", "self_attn.out_proj.bias", "self_attn.proj.bias"],
  ["attn with hyena_x", "self_attn.out_proj.bias", "self_attn.out_proj.bias"],
  ["mlp with mlp(ratio: 2)", "fc2.bias", "mlp.fc2.bias"],
])("%s takes the bias over", async (what, before, after) => {
  const scope = "m.encoder.layers.1";
  const model = await open("bart-dynamo20-ortopt");
  const bias = model.graph.values.get(`${scope}.${before}`)!;
  const [{ node, index }] = bias.uses as unknown as [{ node: { opType: string }; index: number }];
  expect([node.opType, index]).toEqual(["SkipLayerNormalization", 4]);
  const feeds = { input_ids: ids(12), decoder_input_ids: ids(10) };
  const [first] = Object.values(await run(model, feeds));
  const stored = materialize(bias.initializer!.data);

  const { report } = await editModel(model, `replace m.encoder.blocks[1].${what}`);
  expect(report.diagnostics).toEqual([]);
  const heir = model.graph.values.get(`${scope}.${after}`)!;
  expect(Buffer.from(materialize(heir.initializer!.data))).toEqual(Buffer.from(stored));
  const fused = model.graph.nodes.filter((each) => each.opType === "SkipLayerNormalization");
  expect(fused.filter((each) => each.inputs[4]).length).toBe(fused.length - 1);
  const { difference, scale } = distance(first!, Object.values(await run(model, feeds))[0]!);
  expect(difference / scale).toBeLessThan(1e-5);
});
