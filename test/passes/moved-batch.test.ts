/** Attentions of values [N, B, D] whose products move the batch themselves, as ONNX Runtime fuses them. */
import * as ort from "onnxruntime-node";
import { expect, test } from "vitest";
import { inferTypes } from "../../passes/infer-types.ts";
import { createOracle } from "../../runtime/index.ts";
import { anatomize } from "../../src/anatomy/index.ts";
import type { Model, Value } from "../../src/ir/graph.ts";
import { blankModel, declareOutput } from "../../src/onnx-ops/blank-model.ts";
import { Patch } from "../../src/onnx-ops/patch.ts";
import * as g from "../../src/presets/growth.ts";
import { normal } from "../../src/presets/weights.ts";
import { heads, tokens, toolsOf, width } from "./block-tools.ts";
import { distance, editModel, run } from "./workbench.ts";

/** As many samples as heads: sizes do not tell which axis is which. */
const batch = heads;
const type = { dtype: "float32", shape: [batch, tokens, width] } as const;

type Weigh = (growth: g.Growth, scores: Value) => Value;

const softmax: Weigh = (growth, scores) => g.op(growth, "Softmax", [scores], { axis: -1 });

function attend(growth: g.Growth, x: Value, weigh: Weigh): Value {
  const first = g.transpose(growth, x, [1, 0, 2]);
  const [q, k, v] = ["q", "k", "v"].map((step) => {
    const y = g.linear(growth, step, first, [width, width], normal(0.4));
    return g.reshape(growth, y, [tokens, batch, heads, width / heads]);
  }) as [Value, Value, Value];
  const fused = (inputs: Value[], flags: Record<string, number>) =>
    growth.patch.one("FusedMatMul", inputs, { domain: "com.microsoft", attributes: flags });
  const scores = fused([q, k], { transBatchA: 1, transBatchB: 1, transB: 1 });
  const y = fused([weigh(growth, scores), v], { transBatchB: 1 });
  const merged = g.reshape(growth, g.transpose(growth, y, [2, 0, 1, 3]), [tokens, batch, width]);
  const out = g.linear(growth, "out", merged, [width, width], normal(0.4));
  return g.transpose(growth, out, [1, 0, 2]);
}

async function twoBlocks(weigh = softmax): Promise<Model> {
  const producer = { name: "test", version: "0" };
  const options = { path: "moved-batch.onnx", opset: 20, irVersion: 10, producer };
  const model = blankModel({ ...options, inputs: { x: type } });
  model.opsets.set("com.microsoft", 1);
  const patch = new Patch(model.graph, null, "");
  let x = model.graph.inputs[0]!;
  for (let i = 0; i < 2; i++) {
    const growth = g.at({ patch, seed: 0, path: "" }, `blocks.${i}`);
    const { add, norm, mlp } = toolsOf(growth);
    const middle = add(x, attend(g.at(growth, "attn"), norm(x), weigh));
    x = add(middle, mlp(norm(middle)));
  }
  patch.commit();
  declareOutput(model, x, "y", type);
  await inferTypes(model, createOracle());
  return model;
}

const numbers = Float32Array.from({ length: batch * tokens * width }, (_, i) => Math.sin(i * i));
const given = { x: new ort.Tensor("float32", numbers, type.shape) };

test("they are attentions whose heads are known", async () => {
  const { stacks, remarks } = anatomize(await twoBlocks());
  const hosts = stacks[0]!.blocks.map(({ parts }) => parts.get("attn")!.host);
  const host = { kind: "attention", heads, opaque: null };
  expect([hosts, remarks]).toMatchObject([[host, host], []]);
});

test.each(["replace blocks[all].attn with mha", "resize blocks[all].attn to heads 5"])(
  "the function stays: %s",
  async (text) => {
    const model = await twoBlocks();
    const before = (await run(model, given)).y!;
    const { report } = await editModel(model, text);
    expect([report.diagnostics, report.keepsFunction]).toEqual([[], true]);
    const { difference, scale } = distance(before, (await run(model, given)).y!);
    expect(difference / scale).toBeLessThan(2e-6);
  },
);

test("without a softmax tokens meet in them all the same", async () => {
  const { stacks } = anatomize(await twoBlocks((growth, scores) => g.op(growth, "Tanh", [scores])));
  const parts = stacks.map(({ blocks }) => blocks.map((block) => [...block.parts.keys()]));
  const block = ["norm1", "attn", "norm2", "mlp"];
  expect(parts).toEqual([[block, block]]);
});
