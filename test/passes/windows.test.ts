/** A mask over windows is none over all tokens: what takes the place of such an attention lacks it. */
import { expect, test } from "vitest";
import { open } from "../anatomy/models.ts";
import { editModel } from "./workbench.ts";

test.each([
  ["m.encoder.layers.0.blocks", ["inherit-refused", "inherit-refused", "mask-lost"]],
  ["m.encoder.layers.1.blocks", []],
])("attention over all tokens in %s", async (stack, codes) => {
  const model = await open("swin-dynamo20");
  const { report } = await editModel(model, `replace ${stack}[1].attn with mha`);
  expect(report.diagnostics.map(({ code }) => code)).toEqual(codes);
});

test.each([
  ["norms stay", 0, []],
  ["tables of positions in a window say nothing of other tokens", 1, ["position-lost"]],
])("%s", async (_, block, codes) => {
  const model = await open("attn-windows-dynamo20");
  const { report } = await editModel(model, `replace blocks[${block}].attn with mha`);
  const told = report.diagnostics.map(({ code }) => code);
  expect(told).toEqual(["inherit-refused", "inherit-refused", ...codes]);
});
