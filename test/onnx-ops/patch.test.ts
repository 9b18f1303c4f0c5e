import { expect, test } from "vitest";
import { verify } from "../../passes/verify.ts";
import { inMemory } from "../../src/ir/bytes.ts";
import type { Model, Value } from "../../src/ir/graph.ts";
import { readModel } from "../../src/onnx/index.ts";
import { encodeElements } from "../../src/onnx-ops/elements.ts";
import { Patch, type Stamp } from "../../src/onnx-ops/patch.ts";

const stamp: Stamp = { edit: "a.graft:1", site: "blocks[1].attn", operator: "test" };
const read = (name = "dit-tiny-dynamo20") => readModel(`test/fixtures/models/${name}.onnx`);
const patchOf = ({ graph }: Model, scope = "blocks.1.attn") => new Patch(graph, stamp, scope);

/** Everything about a graph that a patch may change. */
function picture({ graph }: Model) {
  return {
    nodes: graph.nodes.map((node) => [
      node.name,
      node.inputs.map((value) => value?.name),
      node.outputs.map((value) => value?.name),
    ]),
    values: [...graph.values].map(([name, value]) => [name, value.uses.size]),
    initializers: [...graph.initializers].map(({ name }) => name),
    outputs: graph.outputs.map(({ name }) => name),
  };
}

test("a patch changes nothing before it is committed, and nothing where it cannot be", async () => {
  const model = await read();
  const before = picture(model);
  const patch = patchOf(model);
  const [input] = model.graph.inputs;
  const grown = patch.one("Relu", [input!]);
  patch.shunt(input!, grown);
  patch.weight("blocks.0.attn.qkv.bias", "float32", [1], inMemory(new Uint8Array(4)));
  expect(picture(model)).toEqual(before);
  expect(() => patch.commit()).toThrow(/blocks\.0\.attn\.qkv\.bias/);
  expect(picture(model)).toEqual(before);
});

test("readers move to the new value, and the new nodes carry who asked for them", async () => {
  const model = await read();
  const add = model.graph.nodes.find((node) => node.opType === "Softmax")!;
  const from = add.outputs[0]!;
  const readers = [...from.uses].map(({ node }) => node);
  const patch = patchOf(model);
  const to = patch.one("Identity", [from]);
  patch.shunt(from, to);
  patch.commit();
  expect([...from.uses].map(({ node }) => node)).toEqual([to.producer]);
  expect([...to.uses].map(({ node }) => node)).toEqual(readers);
  expect(to.producer!.name).toBe("/blocks.1/attn/Identity");
  expect(Object.fromEntries(to.producer!.metadata)).toEqual({
    "graftc.edit": "a.graft:1",
    "graftc.site": "blocks[1].attn",
    "graftc.operator": "test",
  });
  verify(model);
});

test("the model's outputs keep their names whatever makes them", async () => {
  for (const heir of ["a new node", "a graph input"]) {
    const model = await read();
    const [input] = model.graph.inputs;
    const [output] = model.graph.outputs;
    const patch = patchOf(model);
    patch.shunt(output!, heir === "a new node" ? patch.one("Relu", [output!]) : input!);
    patch.commit();
    expect(model.graph.outputs.map(({ name }) => name)).toEqual(["out"]);
    verify(model);
  }
});

test("what a patch orphans goes, weights too; what was dead before stays", async () => {
  const model = await read();
  const { graph } = model;
  const dead = patchOf(model);
  const unread = dead.one("Relu", [graph.inputs[0]!]);
  dead.commit();
  const from = graph.nodes.findLast((node) => node.opType === "Softmax")!.outputs[0]!;
  const scores = from.producer!.inputs[0]!.producer!;
  const patch = patchOf(model);
  patch.shunt(from, patch.one("ConstantOfShape", [patch.ints([1])]));
  patch.commit();
  expect(scores.graph).toBeNull();
  expect(graph.values.has(from.name)).toBe(false);
  expect(unread.producer!.graph).toBe(graph);
  verify(model);
});

test("a reader that stood before what it now reads moves behind it", async () => {
  const model = await read("dit-tiny-ts17-slim");
  const { graph } = model;
  const [early] = graph.inputs;
  const late = graph.nodes.at(-2)!.outputs[0]!;
  const first = [...early!.uses][0]!.node;
  const patch = patchOf(model);
  const bystander = patch.one("Add", [patch.one("Relu", [early!]), late]);
  const reader = patch.one("Neg", [bystander]);
  patch.commit();
  const at = (node: unknown) => graph.nodes.indexOf(node as never);
  expect(at(first)).toBeLessThan(at(bystander.producer));
  expect(at(bystander.producer)).toBeLessThan(at(reader.producer));
  verify(model);
});

test("a constant may have more bytes than a string has characters", async () => {
  const patch = patchOf(await read());
  const data = inMemory(new Uint8Array(2 ** 29));
  const constant = () => patch.constant("uint8", [2 ** 29], data);
  expect(constant()).toBe(constant());
});

test("equal constants of a patch are one node, and names are never given twice", async () => {
  const model = await read("dit-tiny-ts17");
  const patch = patchOf(model);
  expect(patch.ints([1, 2])).toBe(patch.ints([1, 2]));
  expect(patch.ints([1, 2])).not.toBe(patch.ints([2, 1]));
  const bytes = inMemory(encodeElements("float32", [1, 2]));
  expect(patch.constant("float32", [2], bytes)).not.toBe(patch.constant("float32", [1, 2], bytes));
  patch.one("MatMul", [model.graph.inputs[0]!, model.graph.inputs[0]!]);
  patch.commit();
  const names = model.graph.nodes.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
});

test("a body reads what stands outside, and is on record with it once its patch is committed", async () => {
  const model = await read();
  const before = picture(model);
  const patch = patchOf(model);
  const [input] = model.graph.inputs as [Value];
  const factor = patch.one("ReduceMax", [input], { attributes: { keepdims: 0 } });
  const row = { dtype: "float32", shape: input.type!.shape!.slice(1) } as const;
  const body = patch.body({ row }, (inner, [each]) => [inner.one("Mul", [each!, factor])]);
  const scan = patch.one("Scan", [input], { attributes: { body, num_scan_inputs: 1 } });
  expect(picture(model)).toEqual(before);
  patch.shunt(input, scan);
  patch.commit();
  const [product] = body.nodes;
  expect([...factor.uses].map(({ node }) => node)).toEqual([product]);
  expect(body.owner).toBe(scan.producer);
  verify(model);
});
