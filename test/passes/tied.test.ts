/** One module in the place of several blocks: what is new of each has a name of its own. */
import { expect, test } from "vitest";
import { anatomize } from "../../src/anatomy/index.ts";
import { open } from "../anatomy/models.ts";
import { editModel } from "./workbench.ts";

const albert = () => open("albert-dynamo20");

test("parts of tied blocks are named by their place", async () => {
  const [stack] = anatomize(await albert()).stacks;
  const scopes = stack!.blocks.map(({ parts }) => parts.get("attn")!.scope);
  expect(scopes).toEqual(["blocks.0.attn", "blocks.1.attn", "blocks.2.attn"]);
});

test("an operator in every tied block gives no name up", async () => {
  const { model, report } = await editModel(await albert(), "replace blocks[all].attn with mha");
  expect(report.diagnostics.map(({ code }) => code)).toEqual([]);
  const weights = [...model.graph.initializers].map(({ name }) => name);
  const own = [0, 1, 2].map((i) => `blocks.${i}.attn.proj.bias`);
  expect(weights).toEqual(expect.arrayContaining(own));
});

test("a module is selected in all the blocks that it computes", async () => {
  const module = "model.encoder.albert_layer_groups.0.albert_layers.0.attention";
  const { report } = await editModel(await albert(), `replace "${module}" with mha expect 3`);
  expect(report.diagnostics.map(({ code }) => code)).toEqual([]);
});
