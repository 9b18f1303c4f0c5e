/**
 * Residual sums that ONNX Runtime's optimizer fused with the norm behind them, mostly that of the next
 * block, come apart where an edit needs it. PyTorch says what the edited models compute.
 */
import { expect, test } from "vitest";
import { anatomize } from "../../src/anatomy/index.ts";
import type { Model, Node } from "../../src/ir/graph.ts";
import { declareOutput } from "../../src/onnx-ops/blank-model.ts";
import { Patch } from "../../src/onnx-ops/patch.ts";
import { comesApart } from "../../src/onnx-ops/skip-norms.ts";
import { distance, editModel, read, recordedAt, run } from "./workbench.ts";

const folder = "test/fixtures/fused";
const models = ["gpt2-ts13", "vit-ts17-fp16", "llama-ts17", "bert-ts13", "parallel-ts17"];

const open = (name: string) => read(`${folder}/${name}.onnx`);
const fusedIn = ({ graph }: Model) => graph.nodes.filter(comesApart);

const cases = models.flatMap((name) => {
  const { feeds, outputs } = recordedAt(`${folder}/${name}.io.safetensors`);
  return Object.entries(outputs).map(([text, output]) => ({ name, text, feeds, output }));
});

test.each(cases)("$name, $text", async ({ name, text, feeds, output }) => {
  const { model, report } = await editModel(await open(name), text);
  const kept = /^repeat/.test(text) && name !== "bert-ts13";
  expect(report.keepsFunction).toBe(kept || text === "");
  const [found] = Object.values(await run(model, feeds));
  const { difference, scale } = distance(output, found!);
  expect(difference / scale).toBeLessThan(name.includes("fp16") ? 4e-3 : 2e-6);
});

test("what no edit needs apart stays one operator", async () => {
  const before = fusedIn(await open("gpt2-ts13")).map(wording);
  const { model } = await editModel(await open("gpt2-ts13"), "remove blocks[1]");
  // In each block one between attention and MLP, and one between the MLP and the next block.
  expect(before.length).toBe(8);
  expect(fusedIn(model).map(wording)).toEqual([before[0], ...before.slice(4)]);
});

function wording({ name, op, outputs }: Node): string {
  return [name, op, ...outputs.map((value) => value?.name)].join(" ");
}

/** What stands for an operator that came apart, and which edit needed it. */
async function madeOf(name: string, text: string): Promise<string[]> {
  const { graph } = (await editModel(await open(name), text)).model;
  const made = graph.nodes.filter((node) => node.metadata.get("graftc.operator") === "unfuse");
  const origin = ({ metadata }: Node) =>
    `${metadata.get("graftc.edit")} ${metadata.get("graftc.site")}`;
  const [of, ...more] = new Set(made.map(origin));
  expect(more).toEqual([]);
  return [of!, ...made.map(({ op }) => op).filter((op) => op !== "Constant")];
}

test.each([
  ["gpt2-ts13", "remove blocks[2].norm1", ["Add", "Add"]],
  ["gpt2-ts13", "remove blocks[1].mlp", ["LayerNormalization"]],
  ["llama-ts17", "remove blocks[1].mlp", ["SimplifiedLayerNormalization"]],
  ["vit-ts17-fp16", "remove blocks[1].mlp", ["LayerNormalization"]],
  // The model has no such operator, and ai.onnx had none then.
  [
    "bert-ts13",
    "remove blocks[1].mlp",
    "ReduceMean Sub Mul ReduceMean Add Sqrt Div Mul Add".split(" "),
  ],
])("of %s, %s leaves what models of its kind have", async (name, text, expected) => {
  const [origin, ...ops] = await madeOf(name, text);
  expect(origin).toBe(`test.graft:1 ${text.replace("remove ", "")}`);
  expect(ops).toEqual(expected);
});

test("an operator whose statistics are read stays whole, and so do its blocks", async () => {
  const model = await open("gpt2-ts13");
  const node = fusedIn(model)[3]!;
  const { shape } = node.outputs[0]!.type!;
  const patch = new Patch(model.graph, null, "");
  const mean = patch.expose(node, 1, { dtype: "float32", shape: shape!.with(-1, 1) });
  patch.commit();
  declareOutput(model, mean, "mean", mean.type!);
  const { blocks } = anatomize(model).stacks[0]!;
  expect(blocks.map(({ opaque }) => opaque !== null)).toEqual([false, true, false, false]);
  await expect(editModel(model, "remove blocks[1]")).rejects.toMatchObject({
    diagnostics: [{ code: "opaque-block" }],
  });
});
