import { expect, test } from "vitest";
import * as g from "../../src/presets/growth.ts";
import { grown, toolsOf } from "./block-tools.ts";
import { editModel } from "./workbench.ts";

/** One block, whose stream passes as bytes of a measured scale. */
const model = () =>
  grown((root, x) => {
    const { patch } = root;
    const { add, norm, attn, mlp } = toolsOf(g.at(root, "blocks.0"));
    const [scale, zero] = [patch.scalar("float32", 0.05), patch.scalar("uint8", 128)];
    const bytes = g.op(root, "QuantizeLinear", [add(x, attn(norm(x)).y), scale, zero]);
    const middle = g.op(root, "DequantizeLinear", [bytes, scale, zero]);
    return add(middle, mlp(norm(middle)));
  });

test.each([
  ["replace blocks[0].attn with hyena_x", ["ranges-of-before"]],
  ["replace blocks[0].attn with mha", []],
])("measured ranges may not fit behind `%s`: %j", async (text, codes) => {
  const { report } = await editModel(await model(), text);
  expect(report.diagnostics.map(({ code }) => code)).toEqual(codes);
});
