/** A window in the place of causal attention looks back only. */
import * as ort from "onnxruntime-node";
import { expect, test } from "vitest";
import { open } from "../anatomy/models.ts";
import { bytesOf, distance, editModel, read, run } from "./workbench.ts";

const name = "decoder-ts17";
const tokens = 12;

async function outputsOf(text: string, change: boolean) {
  const model = await open(name);
  const { report } = await editModel(model, text);
  const [input] = model.graph.inputs;
  const ids = Array.from({ length: tokens }, (_, i) => BigInt(i + 1));
  if (change) ids[tokens - 1] = 33n;
  const feed = new ort.Tensor("int64", BigInt64Array.from(ids), [1, tokens]);
  const [y] = Object.values(await run(model, { [input!.name]: feed }));
  return { y: y!, codes: report.diagnostics.map(({ code }) => code) };
}

/** What a change of the last token does to the outputs of those before it. */
async function leakOf(text: string) {
  const [a, b] = [await outputsOf(text, false), await outputsOf(text, true)];
  const size = a.y.data.length / tokens;
  const before = ({ y }: typeof a) => (y.data as Float32Array).subarray(0, (tokens - 1) * size);
  const [x, z] = [before(a), before(b)];
  return { leak: Math.max(...x.map((e, i) => Math.abs(e - z[i]!))), codes: a.codes };
}

test("swa of a causal host lets no token see those behind it", async () => {
  expect(await leakOf("replace blocks[all].attn with swa")).toEqual({ leak: 0, codes: [] });
});

test.each(["causal: true", "right: 0", "window: 2, causal: true"])(
  "looking back as the host does (%s) is none",
  async (words) => {
    const { leak, codes } = await leakOf(`replace blocks[all].attn with swa(${words})`);
    expect({ leak, codes }).toEqual({ leak: 0, codes: [] });
  },
);

test.each(["causal: false", "right: 1"])("looking ahead (%s) is a warning", async (words) => {
  const { leak, codes } = await leakOf(`replace blocks[1].attn with swa(${words})`);
  expect(codes).toEqual(["mask-lost"]);
  expect(leak).toBeGreaterThan(0);
});

test("a window over all tokens before is the attention that was there", async () => {
  const before = await outputsOf("", false);
  const after = await outputsOf("replace blocks[all].attn with swa(window: 64)", false);
  const { difference, scale } = distance(before.y, after.y);
  expect(difference / scale).toBeLessThan(2e-6);
});

test.each([
  ["torch-decoder-ts17", "is compared with Trilu", []],
  ["attn-masks-ts17", "is made by Trilu", []],
  ["gptneox-dynamo20", "leaves out padding too", ["mask-lost"]],
])("a window in %s, whose mask %s", async (from, _, codes) => {
  const model = await open(from);
  const { report } = await editModel(model, "replace blocks[0].attn with swa(window: 64)");
  expect(report.diagnostics.map(({ code }) => code)).toEqual(codes);
});

test("a wide window on any number of tokens takes no room in the file", async () => {
  const windowed = async (window: number) => {
    const model = await read("test/fixtures/shapes/text.onnx");
    await editModel(model, `replace blocks[0].attn with swa(window: ${window})`);
    return bytesOf(model);
  };
  const [wide, enough] = [await windowed(1500), await windowed(16)];
  expect(wide.length).toBeLessThan(2 * enough.length);
  const ids = BigInt64Array.from({ length: 20 }, (_, i) => BigInt(i % 20));
  const feeds = {
    ids: new ort.Tensor("int64", ids, [2, 10]),
    am: new ort.Tensor("int64", new BigInt64Array(20).fill(1n), [2, 10]),
  };
  const [a, b] = [await run(wide, feeds), await run(enough, feeds)];
  const { difference, scale } = distance(a.out!, b.out!);
  expect(difference / scale).toBeLessThan(2e-6);
});
