/**
 * Fused operators take padding as integers: how many tokens of each sample count, or which do. An
 * attention in their place hides the same tokens.
 */
import * as ort from "onnxruntime-node";
import { expect, test } from "vitest";
import { setInput } from "../../src/ir/edit.ts";
import type { Model } from "../../src/ir/graph.ts";
import { filled, open } from "../anatomy/models.ts";
import { distance, editModel, run } from "./workbench.ts";

const int64 = (rows: readonly (readonly number[])[]) =>
  new ort.Tensor("int64", BigInt64Array.from(rows.flat(), BigInt), [rows.length, rows[0]!.length]);

/** One sample is full, one is padded on the right, one is all padding but a token. */
const feeds = {
  input_ids: int64([0, 1, 2].map((b) => Array.from({ length: 7 }, (_, i) => (5 * i + b) % 50))),
  attention_mask: int64([7, 4, 1].map((n) => Array.from({ length: 7 }, (_, i) => Number(i < n)))),
  token_type_ids: int64([0, 0, 0].map(() => new Array(7).fill(0))),
};

async function resultOf(model: Model, given = feeds) {
  return Object.values(await run(model, given))[0]!;
}

test("padding matters in these models", async () => {
  const model = await filled("bert-eager-ts13-ortopt");
  const all = { ...feeds, attention_mask: int64([0, 1, 2].map(() => new Array(7).fill(1))) };
  const { difference } = distance(await resultOf(model), await resultOf(model, all));
  expect(difference).toBeGreaterThan(0.1);
});

test.each(["bert-eager-ts13-ortopt", "bert-eager-ts17-ortopt-mha"])(
  "mha in %s hides the padding that its host hid",
  async (name) => {
    const model = await filled(name);
    const before = await resultOf(model);
    const { report } = await editModel(model, "replace blocks[all].attn with mha");
    expect([report.diagnostics, report.keepsFunction]).toEqual([[], true]);
    expect(
      model.graph.nodes.filter(({ domain, opType }) => domain && /Attention/.test(opType)),
    ).toEqual([]);
    const { difference, scale } = distance(before, await resultOf(model));
    expect(difference / scale).toBeLessThan(2e-6);
  },
);

test("the same of a mask for every token", async () => {
  const model = await filled("bert-eager-ts13-ortopt");
  const raw = model.graph.values.get("/bert/Cast_output_0_int32")!;
  for (const node of model.graph.nodes) if (node.opType === "Attention") setInput(node, 3, raw);
  const before = await resultOf(model);
  await editModel(model, "replace blocks[all].attn with mha");
  const { difference, scale } = distance(before, await resultOf(model));
  expect(difference / scale).toBeLessThan(2e-6);
});

test("an operator that ignores the padding is told so", async () => {
  const model = await open("bert-eager-ts13-ortopt");
  const { report } = await editModel(model, "replace blocks[1].attn with hyena_x");
  expect(report.diagnostics.map(({ code }) => code)).toEqual(["mask-lost"]);
});

test("a mask that provably hides nothing is none to lose", async () => {
  for (const name of ["vit-dynamo20", "dinov2-dynamo20"]) {
    const { report } = await editModel(await open(name), "replace blocks[1].attn with hyena_x");
    expect(report.diagnostics).toEqual([]);
  }
});
