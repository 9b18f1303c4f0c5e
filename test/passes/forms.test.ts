/** Forms that blocks have in exports of transformers, against what PyTorch returns for the same edit. */
import { readFileSync } from "node:fs";
import * as ort from "onnxruntime-node";
import { describe, expect, test } from "vitest";
import { anatomize } from "../../src/anatomy/index.ts";
import { inMemory } from "../../src/ir/bytes.ts";
import { encodeElements } from "../../src/onnx-ops/elements.ts";
import { Patch } from "../../src/onnx-ops/patch.ts";
import { distance, editModel, read, reread, run } from "./workbench.ts";

const forms = [
  "experts",
  "scaled",
  "channels",
  "prefix",
  "cut",
  "offset",
  "beside",
  "unpadded",
  "overwritten",
  "macaron",
  "behind",
  "factor",
  "switch",
  "first",
  "half",
  "indexed",
] as const;
type Form = (typeof forms)[number] | "filters" | "zeroed" | "squeezed" | "padded" | "joined";
type Result = "x" | "y" | "without attn" | "without mlp";
type Expected = Record<Result, number[]> & { "without block"?: number[] };

const folder = "test/fixtures/forms";
const expected: Record<Form, Expected> = JSON.parse(
  readFileSync(`${folder}/expected.json`, "utf8"),
);
const shape = [2, 8, 8];
const tensor = (numbers: number[]) => new ort.Tensor("float32", Float32Array.from(numbers), shape);

const nothing = (part: string) => `operator nothing for ${part} { return 0 * x }`;

async function edited(form: Form, text: string, result: keyof Expected) {
  const { model, report } = await editModel(await read(`${folder}/${form}.onnx`), text);
  const { y } = await run(model, { x: tensor(expected[form].x) });
  const { difference, scale } = distance(y!, tensor(expected[form][result]!));
  expect(difference / scale).toBeLessThan(5e-6);
  return { codes: report.diagnostics.map(({ code }) => code), keeps: report.keepsFunction };
}

describe.each(forms)("%s", (form) => {
  test("both blocks are of one stack", async () => {
    const { stacks } = anatomize(await read(`${folder}/${form}.onnx`));
    expect(stacks.map(({ blocks }) => blocks.length)).toEqual([2]);
  });

  test.each(["attn", "mlp"] as const)("nothing in the place of %s", async (part) => {
    const text = `replace blocks[1].${part} with nothing\n${nothing(part)}`;
    await edited(form, text, `without ${part}`);
    await edited(form, `remove blocks[1].${part}`, `without ${part}`);
  });

  test("mha keeps the function", async () => {
    const { codes, keeps } = await edited(form, "replace blocks[all].attn with mha", "y");
    expect([codes, keeps]).toEqual([[], true]);
  });
});

test.each(["experts", "switch"])("tokens choose experts of %s, which are no gate", async (form) => {
  const { stacks } = anatomize(await read(`${folder}/${form}.onnx`));
  const { host } = stacks[0]!.blocks[1]!.parts.get("mlp")!;
  expect(host).toMatchObject({ kind: "other", opaque: "a mixture of experts" });
});

test("a mask that looks up that nothing is padding hides later tokens alone", async () => {
  const text = "replace blocks[all].attn with swa(window: 8)";
  expect((await edited("unpadded", text, "y")).codes).toEqual([]);
});

test("nothing is inherited from heads that a convolution's stand beside", async () => {
  const model = await read(`${folder}/filters.onnx`);
  const { host } = anatomize(model).stacks[0]!.blocks[1]!.parts.get("attn")!;
  expect(host).toMatchObject({ opaque: "other features stand beside those of its heads" });
  const { report } = await editModel(model, "replace blocks[all].attn with mha");
  expect(report.diagnostics.map(({ code }) => code)).toContain("inherit-refused");
  await edited("filters", "remove blocks[1].attn", "without attn");
});

test("of branches side by side the attention is `attn`, and their norm stands before both", async () => {
  const { stacks } = anatomize(await read(`${folder}/beside.onnx`));
  expect([...stacks[0]!.blocks[0]!.parts.keys()]).toEqual([
    "norm1",
    "attn",
    "attn2",
    "norm2",
    "mlp",
  ]);
});

test("copies behind a stream that is reshaped are the identity", async () => {
  const { codes, keeps } = await edited("channels", "repeat blocks[1] times 2", "y");
  expect([codes, keeps]).toEqual([[], true]);
});

test("copies that scale the stream say that they do", async () => {
  const model = await read(`${folder}/scaled.onnx`);
  const { report } = await editModel(model, "repeat blocks[1] times 2");
  expect(report.keepsFunction).toBe(false);
  expect(report.diagnostics[0]!.message).toContain("it changes the stream beside its branches");
});

test("scores that are overwritten by 0 are not masked", async () => {
  const { stacks } = anatomize(await read(`${folder}/zeroed.onnx`));
  const { host } = stacks[0]!.blocks[1]!.parts.get("attn")!;
  const opaque = "its scores are overwritten by what hides no key";
  expect(host).toMatchObject({ kind: "attention", opaque });
});

test("what the body of an If reads may meet in a convolution behind it", async () => {
  const { stacks } = anatomize(await read(`${folder}/squeezed.onnx`));
  const { parts } = stacks[0]!.blocks[1]!;
  const mixers = [...parts.values()].filter(({ host }) => host.kind === "other");
  expect(mixers.map(({ host }) => host)).toMatchObject([
    { mixesTokens: true, opaque: "it is convolutional" },
  ]);
});

test("a window that is wider than the grid holds more than its tokens", async () => {
  const { stacks } = anatomize(await read(`${folder}/padded.onnx`));
  const { host } = stacks[0]!.blocks[1]!.parts.get("attn")!;
  const opaque = "tokens from elsewhere join its own before they attend";
  expect(host).toMatchObject({ kind: "attention", opaque });
});

test.each([
  [
    "a norm that ends every block ends the last one, too",
    "macaron",
    "norm1 mlp norm2 attn norm3 mlp2 norm4",
  ],
  ["blocks may begin with their MLP", "first", "norm1 mlp norm2 attn"],
  [
    "a mixer that stands behind every MLP is its block's, also behind the last one",
    "behind",
    "norm1 attn norm2 mlp attn2",
  ],
  [
    "a norm behind all blocks is none of the last one, where those before it end in none",
    "half",
    "attn norm1 norm2 mlp",
  ],
] as const)("%s", async (_, form, parts) => {
  const { stacks } = anatomize(await read(`${folder}/${form}.onnx`));
  const found = stacks[0]!.blocks.map((block) => [...block.parts.keys()].join(" "));
  expect(found).toEqual([parts, parts]);
  await edited(form, "remove blocks[1]", "without block");
});

test("an MLP on both sides of an attention is in one block with it, also where that is the only one", async () => {
  const { model } = await editModel(await read(`${folder}/macaron.onnx`), "remove blocks[1]");
  const { blocks } = anatomize(model).stacks[0]!;
  expect(blocks.map(({ parts }) => [...parts.keys()].filter((name) => !/norm/.test(name)))).toEqual(
    [["mlp", "attn", "mlp2"]],
  );
});

test("blocks that norm the stream at their ends are told apart by that, also with an MLP between", async () => {
  const model = await read(`${folder}/macaron.onnx`);
  const { input } = anatomize(model).stacks[0]!.blocks[1]!;
  const patch = new Patch(model.graph, null, "");
  const numbers = (_: unknown, i: number) => Math.sin(i);
  const weight = (name: string, shape: [number, number]) => {
    const values = Array.from({ length: shape[0] * shape[1] }, numbers);
    return patch.weight(name, "float32", shape, inMemory(encodeElements("float32", values)));
  };
  const hidden = patch.one("Relu", [patch.one("MatMul", [input, weight("up", [8, 12])])]);
  const fed = patch.one("MatMul", [hidden, weight("down", [12, 8])]);
  patch.shunt(input, patch.one("Add", [input, fed]));
  patch.commit();
  const { stacks } = anatomize(await reread(model));
  const words = stacks.map(({ blocks }) =>
    blocks.map(({ parts }) => [...parts.keys()].filter((name) => !/norm/.test(name)).join(" ")),
  );
  expect(words).toEqual([["mlp attn mlp2", "mlp mlp2 attn mlp3"]]);
});

test("behind a factor of 1 stands the product of units and their gates", async () => {
  const { stacks } = anatomize(await read(`${folder}/factor.onnx`));
  const { host } = stacks[0]!.blocks[1]!.parts.get("mlp")!;
  expect(host).toMatchObject({ kind: "mlp", hidden: 12, activation: "gelu", opaque: null });
  const { codes, keeps } = await edited("factor", "resize blocks[all].mlp to hidden 15", "y");
  expect([codes, keeps]).toEqual([[], true]);
});

test("features of a convolution beside those of heads are no MLP", async () => {
  const { stacks } = anatomize(await read(`${folder}/joined.onnx`));
  const { host } = stacks[0]!.blocks[1]!.parts.get("attn")!;
  const opaque = "other features stand beside those of its heads";
  expect(host).toMatchObject({ kind: "attention", holdsMlp: false, opaque });
  const text = `replace blocks[1].attn with nothing\n${nothing("attn")}`;
  await edited("joined", text, "without attn");
});

test("a stream of which convolutions are the projections has no features on its last axis", async () => {
  expect(anatomize(await read(`${folder}/turned.onnx`)).stacks).toEqual([]);
});
