/** What an Attention operator reads beside q, k, v and a mask: counts of keys, and earlier ones. */
import * as ort from "onnxruntime-node";
import { expect, test } from "vitest";
import type { AttentionHost } from "../../src/anatomy/anatomy.ts";
import { anatomize } from "../../src/anatomy/index.ts";
import { GraftError } from "../../src/diag/diagnostic.ts";
import { distance, editModel, read, run } from "./workbench.ts";

const open = (name: string) => read(`test/fixtures/attention/${name}.onnx`);

const x = (batch: number, tokens: number) => {
  const data = Float32Array.from({ length: batch * tokens * 8 }, (_, i) => Math.sin(i * i));
  return new ort.Tensor("float32", data, [batch, tokens, 8]);
};

const counts = (...each: number[]) =>
  new ort.Tensor("int64", BigInt64Array.from(each, BigInt), [each.length]);

async function hostOf(name: string): Promise<AttentionHost> {
  const [stack] = anatomize(await open(name)).stacks;
  return stack!.blocks[0]!.parts.get("attn")!.host as AttentionHost;
}

async function codeOf(name: string, text: string): Promise<string> {
  const cause = await editModel(await open(name), text).catch((e) => e);
  return cause instanceof GraftError ? cause.diagnostics[0]!.code : cause;
}

test("mha hides the keys that are not counted", async () => {
  const model = await open("counted");
  const feeds = { x: x(3, 5), counts: counts(5, 3, 1) };
  const { y: before } = await run(model, feeds);
  const { y: all } = await run(model, { ...feeds, counts: counts(5, 5, 5) });
  expect(distance(before!, all!).difference).toBeGreaterThan(0.1);

  const { report } = await editModel(model, "replace blocks[all].attn with mha");
  expect([report.diagnostics, report.keepsFunction]).toEqual([[], true]);
  const { difference, scale } = distance(before!, (await run(model, feeds)).y!);
  expect(difference / scale).toBeLessThan(2e-6);
});

test("an operator that ignores the counts is told so", async () => {
  const { report } = await editModel(await open("counted"), "replace blocks[1].attn with hyena_x");
  expect(report.diagnostics.map(({ code }) => code)).toEqual(["mask-lost"]);
});

test.each([
  ["counted-causal", "its tokens stand behind those that are no padding"],
  ["prefixed", "keys and values that are stored join its own"],
  ["capped", "its scores are capped by tanh"],
  ["smooth", "its softmax has a sink"],
])("nothing is inherited from attention that is %s", async (name, why) => {
  const host = await hostOf(name);
  expect([host.opaque, host.cache]).toEqual([why, null]);
  const { report } = await editModel(await open(name), "replace blocks[1].attn with mha");
  expect(report.keepsFunction).toBe(false);
  expect(report.diagnostics.map(({ code }) => code)).toContain("inherit-refused");
});

test.each(["cached", "joined", "windowed", "stacked", "written", "packed"])(
  "nothing takes the place of attention that is %s",
  async (name) => {
    const { past, present } = (await hostOf(name)).cache!;
    expect([past!.length, present!.length]).toEqual([2, 2]);
    expect(await codeOf(name, "replace blocks[1].attn with mha")).toBe("replace-drops-cache");
    expect(await codeOf(name, "repeat blocks[1] times 2")).toBe("cannot-repeat");
    expect(await codeOf(name, "resize blocks[1].attn to heads 4")).toBe("cannot-resize");
  },
);

test("tokens meet in a state of earlier calls, which nothing takes the place of", async () => {
  const [stack] = anatomize(await open("filtered")).stacks;
  const parts = stack!.blocks.map((block) =>
    [...block.parts].map(([name, { keeps }]) => [name, keeps]),
  );
  const block = [
    ["norm1", null],
    ["attn", "a state"],
    ["norm2", null],
    ["mlp", null],
  ];
  expect(parts).toEqual([block, block]);
  expect(await codeOf("filtered", "replace blocks[1].attn with hyena_x")).toBe(
    "replace-drops-cache",
  );
  expect(await codeOf("filtered", "repeat blocks[1] times 2")).toBe("cannot-repeat");
});

test("outputs that nobody reads are no cache", async () => {
  expect((await hostOf("unread")).cache).toBeNull();
});

test("tokens that see nothing get zeros where the host guards against it", async () => {
  const model = await open("guarded");
  // Two tokens of padding on the left see nothing, behind the usual mask of minus infinity.
  const hidden = (i: number, j: number) => i < 2 || j < 2 || j > i;
  const data = Float32Array.from({ length: 25 }, (_, at) =>
    hidden(Math.floor(at / 5), at % 5) ? Number.NEGATIVE_INFINITY : 0,
  );
  const feeds = { x: x(1, 5), mask: new ort.Tensor("float32", data, [1, 1, 5, 5]) };
  const { y: before } = await run(model, feeds);
  await editModel(model, "replace blocks[all].attn with mha");
  const { difference, scale } = distance(before!, (await run(model, feeds)).y!);
  expect(difference / scale).toBeLessThan(1e-6);
});
