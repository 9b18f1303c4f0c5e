/** An attention whose projections, or whose sum, hold the block's MLP: nothing takes it out alone. */
import { expect, test } from "vitest";
import * as g from "../../src/presets/growth.ts";
import { normal } from "../../src/presets/weights.ts";
import { grown, tokens, toolsOf, width } from "./block-tools.ts";
import { editModel } from "./workbench.ts";

test("an attention that is cut from a sum with an MLP does not leave by itself", async () => {
  const model = await grown((root, input) => {
    let x = input;
    for (let i = 0; i < 2; i++) {
      const growth = g.at(root, `blocks.${i}`);
      const { add, norm, attn, mlp } = toolsOf(growth);
      const [one, all] = [g.weight(growth, "token", [1, 1, width], normal(0.5)), norm(x)];
      const batch = g.op(growth, "Slice", [all, ...[0, 1, 1].map((at) => root.patch.ints([at]))]);
      const token = add(g.op(growth, "Mul", [batch, root.patch.scalar("float32", 0)]), one);
      const both = g.op(growth, "Concat", [all, token], { axis: 1 });
      const ends = [0, tokens, 1].map((at) => root.patch.ints([at]));
      x = add(x, g.op(growth, "Slice", [add(attn(both).y, mlp(both)), ...ends]));
    }
    return x;
  });
  await expect(editModel(model, "remove blocks[0].attn")).rejects.toThrow(
    /compute the block's MLP/,
  );
});
