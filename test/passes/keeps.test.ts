import { describe, expect, test } from "vitest";
import {
  distance,
  editModel,
  exports,
  fixture,
  read,
  recorded,
  recordedAt,
  run,
} from "./workbench.ts";

/** Edits that start as the function that was there. */
const keeping = {
  "a larger MLP": "resize blocks[all].mlp to ratio 5.5",
  "more heads": "resize blocks[all].attn to heads 7",
  "more blocks": "repeat blocks[all] times 2",
  "a block three times": "repeat blocks[1] times 3",
  "attention for attention": "replace blocks[all].attn with mha",
  "a window over all tokens": "replace blocks[all].attn with swa(window: 16)",
};

describe.each(exports)("%s", (name) => {
  const half = name.includes("fp16");

  test.each(Object.entries(keeping))("%s leaves the function as it was", async (_, text) => {
    const { feeds, outputs } = recorded(name);
    const model = await read(fixture(name));
    const before = await run(model, feeds);
    const { report } = await editModel(model, text);
    expect(report.keepsFunction).toBe(true);
    const after = await run(model, feeds);
    for (const key of Object.keys(outputs)) {
      const { difference, scale } = distance(before[key]!, after[key]!);
      expect(difference / scale).toBeLessThan(half ? 1e-3 : 2e-6);
    }
  });

  test("a linear merge starts as the sum of both updates", async () => {
    const { feeds } = recorded(name);
    const linear = await read(fixture(name));
    const sum = await read(fixture(name));
    const { report } = await editModel(linear, "parallelize blocks[0..3] by 2");
    await editModel(sum, "parallelize blocks[0..3] by 2 merge sum");
    expect(report.keepsFunction).toBe(false);
    const [a, b] = [await run(linear, feeds), await run(sum, feeds)];
    for (const key of Object.keys(a)) {
      const { difference, scale } = distance(a[key]!, b[key]!);
      expect(difference / scale).toBeLessThan(half ? 2e-3 : 2e-6);
    }
  });
});

test.each([
  ["window: 15", true],
  ["window: 14", false],
  ["window: 15, right: 14", false],
  ["window: 15, causal: true", false],
  ["window: 15, heads: 2", false],
  ["window: 15, heads: 4", true],
])("whether swa(%s) leaves no token of 16 out", async (args, keeps) => {
  const text = `replace blocks[all].attn with swa(${args})`;
  const { report } = await editModel(await read(fixture("dit-tiny-dynamo20")), text);
  expect(report.keepsFunction).toBe(keeps);
});

test.each([
  ["models/dit-tiny-dynamo20", "mlp", true],
  ["models/dit-tiny-dynamo20", "mlp(ratio: 4.5)", false],
  ["models/vit-dynamo20", "mlp", false],
  ["fused/llama-ts17", "swiglu(ratio: 2)", true],
  ["fused/llama-ts17", "swiglu", false],
  ["fused/llama-ts17", "mlp(ratio: 2)", false],
])("whether an MLP of %s is what %s computes", async (name, operator, keeps) => {
  const path = `test/fixtures/${name}`;
  const { feeds } = recordedAt(`${path}.io.safetensors`);
  const model = await read(`${path}.onnx`);
  const before = Object.values(await run(model, feeds))[0]!;
  const { report } = await editModel(model, `replace blocks[all].mlp with ${operator}`);
  expect(report.keepsFunction).toBe(keeps);
  const { difference, scale } = distance(before, Object.values(await run(model, feeds))[0]!);
  expect(difference / scale < 2e-6).toBe(keeps);
});
