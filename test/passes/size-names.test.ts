/** Names of sizes that look like arithmetic, or like nothing. */
import * as ort from "onnxruntime-node";
import { expect, test } from "vitest";
import type { Value } from "../../src/ir/graph.ts";
import * as g from "../../src/presets/growth.ts";
import { grown, toolsOf, width } from "./block-tools.ts";
import { distance, editModel, run, type Tensors } from "./workbench.ts";

/** Two blocks on sequences of any length, which is called `name`. */
const model = (name: string) =>
  grown(
    (root, x) => {
      const block = (i: number, stream: Value) => {
        const { add, norm, attn, mlp } = toolsOf(g.at(root, `blocks.${i}`));
        const middle = add(stream, attn(norm(stream)).y);
        return add(middle, mlp(norm(middle)));
      };
      return block(1, block(0, x));
    },
    ["batch", name, width],
  );

function feeds(tokens: number): Tensors {
  const numbers = Float32Array.from({ length: 2 * tokens * width }, (_, i) => Math.sin(i * i));
  return { x: new ort.Tensor("float32", numbers, [2, tokens, width]) };
}

const edits = `
replace blocks[0].attn with swa(window: 2)
replace blocks[1].attn with mamba2(chunk: 4, headdim: 4)
`;

const plain = await model("n");
await editModel(plain, edits);

test.each([
  ...["past + 1", "n*2", "n - m", "8*n + 1", "2n", "8", "1", "*"],
  ...["floor(n/8)", "((n)", "n)", "batch size", "n.0", "n'", "ünï", "__proto__"],
])("a size called `%s`", async (name) => {
  const odd = await model(name);
  await editModel(odd, edits);
  for (const tokens of [9, 67]) {
    const [a, b] = [await run(plain, feeds(tokens)), await run(odd, feeds(tokens))];
    const { difference, scale } = distance(a.y!, b.y!);
    expect(difference / scale).toBeLessThan(2e-6);
  }
});
