/** Blocks as diffusion transformers have them, against what PyTorch returns for the same edit. */
import { readFileSync } from "node:fs";
import * as ort from "onnxruntime-node";
import { expect, test } from "vitest";
import { inferTypes } from "../../passes/infer-types.ts";
import { createOracle } from "../../runtime/index.ts";
import { float } from "../../src/onnx-ops/attributes.ts";
import { Patch } from "../../src/onnx-ops/patch.ts";
import { layerNorm } from "../../src/presets/growth.ts";
import { distance, editModel, read, run } from "./workbench.ts";

const folder = "test/fixtures/diffusion";
type Form = "normed" | "joint";
const expected: Record<Form, Record<string, number[]>> = JSON.parse(
  readFileSync(`${folder}/expected.json`, "utf8"),
);
const open = (form: Form) => read(`${folder}/${form}.onnx`);
const tensor = (numbers: number[]) =>
  new ort.Tensor("float32", Float32Array.from(numbers), [2, numbers.length / 16, 8]);

async function edited(form: Form, text: string, result: string) {
  const { model, report } = await editModel(await open(form), text);
  const { x, c, [result]: wanted } = expected[form];
  const named = { x: tensor(x!), c: tensor(c!) };
  const feeds = model.graph.inputs.map(({ name }) => [name, named[name as "x"]] as const);
  const { y } = await run(model, Object.fromEntries(feeds));
  const { difference, scale } = distance(y!, tensor(wanted!));
  expect(difference / scale).toBeLessThan(5e-6);
  return { codes: report.diagnostics.map(({ code }) => code), keeps: report.keepsFunction };
}

test.each(["attn", "mlp"])("the bias of a norm behind the %s stays with the norm", async (part) => {
  const nothing = `operator nothing for ${part} { return 0 * x }`;
  const text = `replace blocks[1].${part} with nothing\n${nothing}`;
  await edited("normed", text, `without ${part}`);
});

test("nothing is inherited from the norm behind a projection", async () => {
  const { codes, keeps } = await edited("normed", "replace blocks[all].attn with mha", "y");
  expect([codes, keeps]).toEqual([[], true]);
});

test("heads that are normed together are not resized, and the edit is shown", async () => {
  const resized = editModel(await open("normed"), "resize blocks[1].attn to heads 1");
  const { diagnostics } = await resized.catch((cause) => cause);
  expect(diagnostics).toMatchObject([{ code: "cannot-resize", at: { start: 7, end: 21 } }]);
});

test("a last block beside its neighbour reads the second stream that its neighbour reads", async () => {
  await edited("joint", "parallelize blocks[1..2] by 2", "paired");
});

/** The last block norms the second stream, in an operator by itself or in that of the sum before. */
async function withLastNorm(fused: boolean) {
  const model = await open("joint");
  const patch = new Patch(model.graph, null, "");
  const sum = model.graph.values.get("/blocks.1/Add_3_output_0")!;
  const normed = layerNorm({ patch, seed: 0, path: "" }, sum, 8);
  if (fused) {
    const [node] = patch.nodes.slice(-1);
    const inputs = [...sum.producer!.inputs, node!.inputs[1]!];
    const options = { domain: "com.microsoft", attributes: { epsilon: float(1e-6) } };
    patch.shunt(sum, patch.one("SkipLayerNormalization", inputs, options));
    model.opsets.set("com.microsoft", 1);
  } else patch.shunt(sum, normed);
  patch.commit();
  await inferTypes(model, createOracle());
  return model;
}

test.each(["remove blocks[1]", "parallelize blocks[0..1] by 2"])(
  "a second stream that ends in the operator of a norm: %s",
  async (text) => {
    const results = [];
    for (const fused of [false, true]) {
      const { model } = await editModel(await withLastNorm(fused), text);
      const { x, c } = expected.joint;
      results.push((await run(model, { x: tensor(x!), c: tensor(c!) })).y!);
    }
    const { difference, scale } = distance(results[0]!, results[1]!);
    expect(difference / scale).toBeLessThan(5e-6);
  },
);
