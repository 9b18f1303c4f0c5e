/** What new weights of a part are called, from the paths that exporters left of its projections. */
import { expect, test } from "vitest";
import { anatomize } from "../../src/anatomy/index.ts";
import { scopeOfPart } from "../../src/anatomy/naming.ts";
import { Node, Value } from "../../src/ir/graph.ts";
import { editModel } from "../passes/workbench.ts";
import { open, scrub } from "./models.ts";

/** A projection of which nothing but the name of its bias, or a name that TorchScript gave it, is left. */
function projection(bias: string | null, name = "n"): Node {
  const node = new Node({ name, opType: "Add", domain: "", attributes: new Map() });
  const value = new Value(bias ?? "val_7", null);
  value.initializer = {
    dtype: "float32",
    shape: [1],
    data: { kind: "memory", bytes: new Uint8Array(4) },
    origin: null,
  } as never;
  node.inputs = [value];
  return node;
}

test.each([
  [["blocks.1.attn.qkv.bias", "blocks.1.attn.proj.bias"], "blocks.1.attn"],
  [["blocks.1.attn.qkv.bias", null], "blocks.1.attn"],
  [[null, "blocks.1.attn.to_out.0.bias"], "blocks.1.attn"],
  [["blocks.1.attn.q.bias", "blocks.1.attn.k.bias", null], "blocks.1.attn"],
  [["blocks.1.attn.in_proj_bias", null], "blocks.1.attn"],
  [["blocks.1.qkv.bias", null], "blocks.1.attn"],
  [[null, null], "blocks.1.attn"],
])("%j", (biases, expected) => {
  const block = { scope: "blocks.1", prefix: "blocks.1" };
  const projections = biases.map((bias) => projection(bias));
  expect(scopeOfPart("attn", projections, block)).toBe(expected);
});

test.each([
  ["transformer.h.1", ["transformer.h.1.self.q.bias", "transformer.h.1.self.o.bias"]],
  ["transformer.h.1", ["transformer.h.1.self.q.bias", null]],
  ["transformer.h.1", [null, null]],
  ["h.1", [null, null]],
  ["h.1", ["shared.bias", null]],
])("TorchScript leaves out containers that are not called: %s, %j", (scope, [q, o]) => {
  const names = ["/h.1/self/q/MatMul/MatMulAddFusion", "/h.1/self/o/Add"] as const;
  const projections = [projection(q!, names[0]), projection(o!, names[1])];
  expect(scopeOfPart("attn", projections, { scope, prefix: scope })).toBe(`${scope}.self`);
});

test.each([["blocks[0].attn"], ["blocks2[1].attn"], ["blocks[1].mlp, blocks2[all].mlp"]])(
  "stacks without names keep theirs when %s is replaced",
  async (target) => {
    const model = await open("two-stacks-dynamo20");
    scrub(model, 1);
    const names = () => anatomize(model).stacks.map(({ name, blocks }) => [name, blocks.length]);
    const before = names();
    const kind = target.includes("mlp") ? "mlp" : "mha";
    await editModel(
      model,
      target
        .split(", ")
        .map((each) => `replace ${each} with ${kind}`)
        .join("\n"),
    );
    expect(names()).toEqual(before);
    expect(before).toEqual([
      ["blocks", 2],
      ["blocks2", 3],
    ]);
  },
);
