import { expect, test } from "vitest";
import { materialize } from "../../src/ir/bytes.ts";
import type { Model } from "../../src/ir/graph.ts";
import { bytesOf, edit, editModel, fixture, read } from "./workbench.ts";

const file = fixture("dit-tiny-dynamo20");

function weights(model: Model): Map<string, string> {
  return new Map(
    [...model.graph.initializers].map(({ name, initializer }) => [
      name,
      Buffer.from(materialize(initializer!.data)).toString("base64"),
    ]),
  );
}

test("every node that an edit made says which line asked for it, and where", async () => {
  const before = new Set((await read(file)).graph.nodes.map((node) => node.name));
  const { model } = await edit(
    file,
    `// slim
     replace blocks[1].attn with hyena_x
     parallelize blocks[2, 3] by 2
     repeat blocks[4] times 2`,
  );
  const made = model.graph.nodes.filter((node) => !before.has(node.name));
  const stamps = new Set(
    made.map(({ metadata }) =>
      ["edit", "site", "operator"].map((key) => metadata.get(`graftc.${key}`)).join(" "),
    ),
  );
  expect([...stamps].sort()).toEqual([
    "test.graft:2 blocks[1].attn hyena_x",
    "test.graft:3 blocks[2] parallelize",
    "test.graft:4 blocks[4] repeat",
  ]);
  expect(made.map((node) => node.name)).toContain("/blocks.1/attn/in_proj/MatMul");
});

test("the model keeps the text of its edits, and of those before", async () => {
  const { model } = await edit(file, "remove blocks[5]\n");
  const first = "// graftc --seed 0\n// test.graft\nremove blocks[5]\n";
  expect(model.metadata.get("graftc.edits")).toBe(first);
  await editModel(model, "remove blocks[4]", 7);
  expect(model.metadata.get("graftc.edits")).toBe(
    `${first}\n// graftc --seed 7\n// test.graft\nremove blocks[4]\n`,
  );
});

test("a model without edits is not marked", async () => {
  const { model } = await edit(file, "expect { blocks: 6 }");
  expect(model.metadata.has("graftc.edits")).toBe(false);
});

const several = `
  resize blocks[0].mlp to ratio 5
  replace blocks[1].attn with hyena_x init fresh
  replace blocks[2].mlp with swiglu
`;

test("the same edits on the same model with the same seed are the same bytes", async () => {
  const [a, b] = [await edit(file, several, 3), await edit(file, several, 3)];
  expect(Buffer.compare(bytesOf(a.model), bytesOf(b.model))).toBe(0);
});

test("a seed changes new weights and no others; a further edit changes no weight that was there", async () => {
  const [three, four] = [await edit(file, several, 3), await edit(file, several, 4)];
  const [a, b] = [weights(three.model), weights(four.model)];
  expect([...a.keys()]).toEqual([...b.keys()]);
  const differing = [...a.keys()].filter((name) => a.get(name) !== b.get(name));
  // The resized MLP: val_27 is blocks.0.mlp.fc1 without its name.
  const fresh = differing.filter((name) => !/^blocks\.(1\.attn|2\.mlp)\./.test(name));
  expect(fresh).toHaveLength(2);
  expect(fresh).toContain("blocks.0.mlp.fc1.bias");
  const more = await edit(file, `${several}\nreplace blocks[3].attn with hyena_x init fresh`, 3);
  const c = weights(more.model);
  const shared = [...a.keys()].filter((name) => c.has(name));
  expect(shared.filter((name) => a.get(name) !== c.get(name))).toEqual([]);
});

test("resized weights keep their names and their places", async () => {
  const before = await read(file);
  const named = () =>
    [...before.graph.initializers]
      .filter(({ initializer }) => initializer!.dtype === "float32")
      .map(({ name }) => name);
  const names = named();
  await editModel(
    before,
    "resize blocks[all].mlp to hidden 100\nresize blocks[all].attn to heads 2",
  );
  expect(named()).toEqual(names);
  expect(before.graph.values.get("blocks.3.mlp.fc1.bias")!.initializer!.shape).toEqual([100]);
  expect(before.graph.values.get("blocks.3.attn.qkv.bias")!.initializer!.shape).toEqual([96]);
});

test("copies have weights of their own in a scope of their own, the same bytes or zeros", async () => {
  const { model, report } = await edit(file, "repeat blocks[1] times 3");
  const added = report.weights.map(({ name }) => name);
  const tensors = [
    "adaLN_modulation.1.weight",
    "adaLN_modulation.1.bias",
    "attn.qkv.weight",
    "attn.qkv.bias",
    "attn.proj.weight",
    "attn.proj.bias",
    "mlp.fc1.weight",
    "mlp.fc1.bias",
    "mlp.fc2.weight",
    "mlp.fc2.bias",
  ];
  const copies = ["copy1", "copy2"].flatMap((copy) => tensors.map((t) => `blocks.1.${copy}.${t}`));
  expect([...added].sort()).toEqual([...copies].sort());
  const data = weights(model);
  for (const name of copies) {
    const values = Buffer.from(data.get(name)!, "base64");
    expect(values.every((byte) => byte === 0)).toBe(/attn\.proj|mlp\.fc2/.test(name));
  }
  expect(data.get("blocks.1.copy2.attn.qkv.bias")).toBe(data.get("blocks.1.attn.qkv.bias"));
  const untouched = model.graph.values.get("blocks.1.copy1.attn.qkv.bias")!.initializer!;
  expect(untouched.data.kind).toBe("file");
});

test("copies are seen as blocks of their own when the model is read again", async () => {
  const { model } = await edit(file, "repeat blocks[1] times 2");
  const { anatomize } = await import("../../src/anatomy/index.ts");
  const scopes = anatomize(model).stacks[0]!.blocks.map((block) => block.scope);
  expect(scopes).toHaveLength(7);
  expect(scopes[2]).toBe("blocks.1.copy1");
});
