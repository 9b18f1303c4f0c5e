import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as ort from "onnxruntime-node";
import { afterAll, expect, test } from "vitest";
import { inferTypes } from "../../passes/infer-types.ts";
import { loadWeights } from "../../passes/load-weights.ts";
import { createOracle } from "../../runtime/index.ts";
import { compareModels } from "../../runtime/verify/compare.ts";
import { anatomize } from "../../src/anatomy/index.ts";
import { materialize } from "../../src/ir/bytes.ts";
import { readSafetensors, type StoredTensor } from "../../src/onnx/index.ts";
import { filled, open } from "../anatomy/models.ts";
import { twoBlocks } from "./two-blocks.ts";
import { bytesOf, distance, edit, editModel, fixture, read, recorded, run } from "./workbench.ts";

const folder = mkdtempSync(join(tmpdir(), "graftc-pairs-"));
afterAll(() => rmSync(folder, { recursive: true }));

interface Golden {
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly tolerance: number;
  readonly sizes: { readonly tokens: number; readonly width: number; readonly heads: number };
}

function golden(name: string): Golden {
  const { tensors, metadata } = readSafetensors(`test/fixtures/goldens/${name}.safetensors`);
  const [, tokens, width] = tensors.get("x")!.shape;
  const { heads } = JSON.parse(metadata.get("attrs")!) as { heads: number };
  const sizes = { tokens: tokens!, width: width!, heads };
  return { tensors, sizes, tolerance: Number(metadata.get("tolerance")) };
}

const tensorOf = ({ shape, data }: StoredTensor) =>
  new ort.Tensor("float32", new Float32Array(new Uint8Array(materialize(data)).buffer), [...shape]);

/** The blocks with the golden's weights, loaded by their state_dict names. */
async function parallelized({ tensors, sizes }: Golden, text: string) {
  const model = twoBlocks(sizes);
  await inferTypes(model, createOracle());
  const anatomy = anatomize(model);
  const { report } = await editModel(model, text);
  const merge = text.includes("linear");
  const weights = [...tensors].flatMap(([name, tensor]): [string, StoredTensor][] => {
    if (/^blocks\.\d/.test(name)) return [[name, tensor]];
    return merge && name.startsWith("merge.") ? [[`blocks.0.${name}`, tensor]] : [];
  });
  const file = { path: "golden", site: null, tensors: new Map(weights) };
  loadWeights(model, [file], { anatomy, added: report.weights, partial: false });
  const [x, c] = [tensors.get("x")!, tensors.get("c")!].map(tensorOf);
  return (await run(model, { x: x!, c: c! })).y!;
}

test.each([
  ["op_parallel_delta_a", "linear", "y"],
  ["op_parallel_delta_b", "linear", "y"],
  ["op_parallel_linear_a", "sum", "y_sum"],
  ["op_parallel_linear_b", "sum", "y_sum"],
  ["op_parallel_linear_a", "mean", "y_mean"],
  ["op_parallel_linear_b", "mean", "y_mean"],
])("%s: merge %s is PyTorch's %s", async (name, merge, key) => {
  const values = golden(name);
  const got = await parallelized(values, `parallelize blocks[0, 1] by 2 merge ${merge}`);
  const { difference, scale } = distance(tensorOf(values.tensors.get(key)!), got);
  expect(difference).toBeLessThanOrEqual(values.tolerance * scale);
});

test("the merge is named after the first block and starts as two identities", async () => {
  const { model, report } = await edit(
    fixture("dit-tiny-dynamo20"),
    "parallelize blocks[2, 3, 0, 1] by 2",
  );
  expect(report.weights).toEqual([
    { name: "blocks.0.merge.weight", site: "blocks[0]", layout: "in,out" },
    { name: "blocks.0.merge.bias", site: "blocks[0]", layout: null },
    { name: "blocks.2.merge.weight", site: "blocks[2]", layout: "in,out" },
    { name: "blocks.2.merge.bias", site: "blocks[2]", layout: null },
  ]);
  const weight = model.graph.values.get("blocks.0.merge.weight")!.initializer!;
  const values = new Float32Array(new Uint8Array(materialize(weight.data)).buffer);
  expect(weight.shape).toEqual([128, 64]);
  for (let row = 0; row < 128; row++) {
    for (let column = 0; column < 64; column++) {
      expect(values[row * 64 + column]).toBe(row % 64 === column ? 1 : 0);
    }
  }
});

test("the merge lies as the linears of its blocks do", async () => {
  const edited = async (merge: string) => {
    const model = await filled("dit-ts14-nofold");
    return editModel(model, `parallelize blocks[0, 1] by 2 merge ${merge}`);
  };
  const { model, report } = await edited("linear");
  expect(report.weights[0]).toMatchObject({ name: "blocks.0.merge.weight", layout: "out,in" });
  const { shape } = model.graph.values.get("blocks.0.merge.weight")!.initializer!;
  expect(shape[1]).toBe(2 * shape[0]!);
  const path = join(folder, "linear.onnx");
  const sum = join(folder, "sum.onnx");
  writeFileSync(path, bytesOf(model));
  writeFileSync(sum, bytesOf((await edited("sum")).model));
  const { outputs } = await compareModels({ before: sum, after: path, model: await read(path) });
  for (const { absolute, scale } of outputs) expect(absolute / scale).toBeLessThan(5e-6);
});

test.each([
  ["1", "1..2", "linear"],
  ["2", "1..2", "linear"],
  ["1", "1..2", "sum"],
  ["2", "1..2", "sum"],
])("block %s without parts adds nothing in %s, merged by %s", async (at, pair, merge) => {
  const { feeds } = recorded("dit-tiny-dynamo20");
  const path = fixture("dit-tiny-dynamo20");
  const emptied = `remove blocks[${at}].attn\nremove blocks[${at}].mlp\n`;
  const { model } = await edit(path, `${emptied}parallelize blocks[${pair}] by 2 merge ${merge}`);
  const { model: without } = await edit(path, `remove blocks[${at}]`);
  const [y, expected] = [await run(model, feeds), await run(without, feeds)];
  const { difference, scale } = distance(expected.out!, y.out!);
  expect(difference / scale).toBeLessThan(5e-6);
});

test("blocks keep their indices: what comes behind reads the merged stream", async () => {
  const model = await read(fixture("dit-tiny-dynamo20"));
  const third = anatomize(model).stacks[0]!.blocks[2]!.input;
  await editModel(model, "parallelize blocks[0, 1] by 2 merge sum\nremove blocks[2].attn");
  expect(third.uses.size).toBe(1);
  const [use] = third.uses;
  expect(use!.node.metadata.get("graftc.operator")).toBe("parallelize");
});

test.each([
  ["yolos-dynamo20", "0, 1"],
  ["yolos-dynamo20", "1, 2"],
])("blocks of %s stay one stack with a pair [%s] across a position table", async (name, pair) => {
  const model = await open(name);
  await editModel(model, `parallelize blocks[${pair}] by 2`);
  await inferTypes(model, createOracle());
  const { stacks } = anatomize(model);
  expect(stacks.map(({ blocks }) => blocks.map(({ scope }) => scope))).toEqual([
    [0, 1, 2].map((i) => `m.encoder.layer.${i}`),
  ]);
});

test.each([
  ["1, 2", "they are a pair that does so already"],
  ["2, 3", "`blocks[2]` is a pair with `blocks[1]` already"],
  ["0, 1", "`blocks[1]` is a pair with `blocks[2]` already"],
])("a pair is not paired again: blocks[%s]", async (pair, reason) => {
  const { model } = await edit(fixture("dit-tiny-dynamo20"), "parallelize blocks[1, 2] by 2");
  await inferTypes(model, createOracle());
  await expect(editModel(model, `parallelize blocks[${pair}] by 2`)).rejects.toThrow(reason);
});

test("blocks whose norms read a cast of the stream stay one stack with a pair", async () => {
  const model = await open("lightningdit-ts17");
  const counts = () => anatomize(model).stacks.map(({ blocks }) => blocks.length);
  const before = counts();
  await editModel(model, "remove blocks[1].attn\nparallelize blocks[1, 2] by 2 merge sum");
  await inferTypes(model, createOracle());
  expect(counts()).toEqual(before);
});

test.each([
  ["linear", "2, 3", ""],
  ["sum", "2, 3", ""],
  ["mean", "2, 3", ""],
  ["linear", "1..4", ""],
  ["sum", "2..5", ""],
  ["sum", "2, 3", "remove blocks[2].attn"],
  ["sum", "2, 3", "remove blocks[3].mlp"],
  ["mean", "2, 3", "remove blocks[3].mlp"],
  ["linear", "2, 3", "remove blocks[3].mlp"],
])(
  "a model with pairs, merged by %s at %s, is one stack still %s",
  async (merge, blocks, before) => {
    const text = `${before}\nparallelize blocks[${blocks}] by 2 merge ${merge}`;
    const { model } = await edit(fixture("dit-tiny-dynamo20"), text);
    const { stacks } = anatomize(model);
    expect(stacks.map((stack) => [stack.name, stack.blocks.length, stack.grid])).toEqual([
      ["blocks", 6, [4, 4]],
    ]);
  },
);
