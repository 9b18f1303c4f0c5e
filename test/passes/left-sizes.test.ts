/** Sizes that a model reads off tensors of a part: as TorchScript takes them off T5's keys. */
import * as ort from "onnxruntime-node";
import { expect, test } from "vitest";
import type { Value } from "../../src/ir/graph.ts";
import * as g from "../../src/presets/growth.ts";
import { grown, toolsOf, width } from "./block-tools.ts";
import { distance, editModel, run, type Tensors } from "./workbench.ts";

/** Two blocks; behind both stands the number of tokens, read off a turned view of the first one's values. */
function counting(read: "one size" | "the whole shape") {
  return (root: g.Growth, x: Value): Value => {
    let counted: Value | null = null;
    const block = (i: number, stream: Value) => {
      const tools = toolsOf(g.at(root, `blocks.${i}`));
      const { y, v } = tools.attn(tools.norm(stream));
      counted ??= v;
      const middle = tools.add(stream, y);
      return tools.add(middle, tools.mlp(tools.norm(middle)));
    };
    const y = block(1, block(0, x));
    const { patch } = root;
    const shape = g.op(root, "Shape", [g.transpose(root, counted!, [0, 2, 1, 3])]);
    const size =
      read === "one size"
        ? g.op(root, "Gather", [shape, patch.scalar("int64", 1)])
        : patch.one("ReduceProd", [shape], { attributes: { keepdims: 0 } });
    const float = patch.one("Cast", [size], { attributes: { to: 1 } });
    return g.op(root, "Mul", [y, float]);
  };
}

const model = (read: Parameters<typeof counting>[0]) =>
  grown(counting(read), ["batch", "tokens", width]);

function feeds(tokens: number): Tensors {
  const numbers = Float32Array.from({ length: 2 * tokens * width }, (_, i) => Math.sin(i * i));
  return { x: new ort.Tensor("float32", numbers, [2, tokens, width]) };
}

test("a size is read elsewhere, and what was computed for it is gone", async () => {
  const [before, after] = [await model("one size"), await model("one size")];
  await editModel(after, "replace blocks[all].attn with mha");
  const left = [...after.graph.initializers].filter(({ name }) => /attn\.v\./.test(name));
  expect(left).toEqual([]);
  for (const tokens of [5, 9]) {
    const [a, b] = [await run(before, feeds(tokens)), await run(after, feeds(tokens))];
    const { difference, scale } = distance(a.y!, b.y!);
    expect(difference / scale).toBeLessThan(2e-6);
  }
});

test("where all sizes are read together, they stay", async () => {
  const after = await model("the whole shape");
  await editModel(after, "replace blocks[all].attn with mha");
  const left = [...after.graph.initializers].filter(({ name }) => /attn\.v\./.test(name));
  expect(left.length).toBeGreaterThan(0);
});
