/** Edits re-encode what changed and leave every other byte as it was. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { onnx } from "onnx-proto";
import { describe, expect, test } from "vitest";
import { inMemory } from "../../src/ir/bytes.ts";
import { renameValue, setInput } from "../../src/ir/edit.ts";
import type { Attribute, Model, Node, Value } from "../../src/ir/graph.ts";
import { readModel, writeModel } from "../../src/onnx/index.ts";
import { encodeElements } from "../../src/onnx-ops/elements.ts";
import { Patch } from "../../src/onnx-ops/patch.ts";
import { everything, freshFolder } from "./fixtures.ts";
import { changed, contentsAt, fieldsOf, orderOf } from "./wire.ts";

const original = readFileSync(everything);
const number = { graph: 7, node: 1, initializer: 5, info: 13, sparse: 15, functions: 25 };
const stamp = { edit: "slim.graft:4", site: "blocks[1].attn", operator: "hyena_x" };

/** The bytes of everything.onnx after `edit`. */
async function edited(edit: (model: Model) => void): Promise<Buffer> {
  const model = await readModel(everything);
  edit(model);
  const out = join(freshFolder(), "everything.onnx");
  await writeModel(model, out);
  return readFileSync(out);
}

function nodeCalled(model: Model, opType: string): Node {
  return model.graph.nodes.find((node) => node.opType === opType)!;
}

const graphs = (after: Buffer) =>
  [contentsAt(original, number.graph)[0]!, contentsAt(after, number.graph)[0]!] as const;

test("metadata of the model is added behind its own", async () => {
  const after = await edited(({ metadata }) => metadata.set("graftc", "replace ..."));
  expect(changed(original, after)).toEqual({ gone: [], added: [14] });
  const entries = onnx.ModelProto.decode(after).metadataProps!.map(({ key }) => key);
  expect(entries).toEqual(["license", "empty", "graftc"]);
});

test("a node that is renamed keeps everything else, unknown fields included", async () => {
  const after = await edited((model) => {
    nodeCalled(model, "Everything").name = "renamed";
  });
  const [before, now] = graphs(after);
  expect(changed(before, now)).toEqual({ gone: [number.node], added: [number.node] });
  const nodes = [before, now].map((graph) => contentsAt(graph, number.node)[1]!);
  expect(changed(nodes[0]!, nodes[1]!)).toEqual({ gone: [3], added: [3] });
  expect(orderOf(nodes[1]!, [3])).toEqual(orderOf(nodes[0]!, [3]));
  expect(fieldsOf(nodes[1]!).map(({ number }) => number)).toEqual(
    expect.arrayContaining([10003, 10004, 10005, 10006]),
  );
});

test("a value that is renamed is renamed wherever it is named", async () => {
  const after = await edited(({ graph }) => {
    for (const name of ["y", "sparse", "numbers.raw.int8"]) {
      renameValue(graph, graph.values.get(name)!, `new.${name}`);
    }
  });
  const { graph } = onnx.ModelProto.decode(after);
  const texts = JSON.stringify(graph);
  expect(texts.match(/"new\.y"/g)).toHaveLength(5);
  expect(texts).not.toMatch(/"(y|sparse|numbers\.raw\.int8)"/);
  expect(graph!.sparseInitializer![0]!.values!.name).toBe("new.sparse");
  expect(graph!.quantizationAnnotation!.map((a) => a.tensorName)).toEqual(["new.y", "stale"]);
  const [before, now] = graphs(after);
  expect(changed(before, now).added.sort()).toEqual([1, 1, 1, 13, 13, 14, 15, 5].sort());
});

test("an attribute that is replaced leaves its neighbours alone", async () => {
  const values: Attribute["value"][] = [
    { type: "float", value: 0.5 },
    { type: "int", value: -3n },
    { type: "string", value: Buffer.from("s") },
    { type: "floats", value: [1, 2] },
    { type: "ints", value: [1n, -(2n ** 63n)] },
    { type: "strings", value: [Buffer.from("a")] },
  ];
  for (const value of values) {
    const after = await edited((model) => {
      const { attributes } = nodeCalled(model, "Everything");
      const { name, origin } = attributes.get("f")!;
      attributes.set("f", { name, value, origin });
    });
    const nodes = [original, after].map((bytes) => contentsAt(bytes, 7, 1)[1]!);
    expect(changed(nodes[0]!, nodes[1]!)).toEqual({ gone: [5], added: [5] });
    const [old, now] = nodes.map((node) => contentsAt(node, 5)[0]!);
    expect(orderOf(now!, [2, 3, 4, 7, 8, 9, 20])).toEqual(orderOf(old!, [2, 20]));
    const decoded = onnx.AttributeProto.decode(now!);
    const kinds = { float: "f", int: "i", string: "s", floats: "floats", ints: "ints" } as const;
    const kind = kinds[value.type as keyof typeof kinds] ?? "strings";
    expect(String(decoded[kind])).toBe(String("value" in value && value.value));
  }
});

test("nodes come and go at their places", async () => {
  const after = await edited((model) => {
    const { graph } = model;
    const leaky = nodeCalled(model, "Leaky");
    const patch = new Patch(graph, stamp, "blocks.1.attn");
    const weight = patch.weight("blocks.1.attn.w", "float32", [2], inMemory(new Uint8Array(8)));
    const grown = patch.one("Mul", [graph.values.get("y")!, weight]);
    patch.shunt(leaky.outputs[0]!, grown);
    patch.commit();
  });
  const { graph } = onnx.ModelProto.decode(after);
  const operators = graph!.node!.map(({ opType }) => opType);
  expect(operators).toEqual(["Constant", "Everything", "Mul", "Loop", "Relu"]);
  expect(graph!.initializer!.at(-1)!.name).toBe("blocks.1.attn.w");
  expect(graph!.valueInfo!.map(({ name }) => name)).toEqual(["y", "stale", "sparse"]);
  const [before, now] = graphs(after);
  const edits = changed(before, now);
  expect(edits.gone).toEqual([1, 1, 13]);
  expect(edits.added).toEqual([1, 1, 5]);
  expect(orderOf(now, [1, 5, 13])).toEqual(orderOf(before, [1, 5, 13]));
});

test("what an edit made says where it comes from", async () => {
  const folder = freshFolder();
  const model = await readModel(everything);
  const patch = new Patch(model.graph, stamp, "blocks.1.attn");
  patch.shunt(
    nodeCalled(model, "Leaky").outputs[0]!,
    patch.one("Neg", [model.graph.values.get("y")!]),
  );
  patch.commit();
  await writeModel(model, join(folder, "everything.onnx"));
  const reread = await readModel(join(folder, "everything.onnx"));
  expect([...nodeCalled(reread, "Neg").metadata]).toEqual([
    ["graftc.edit", "slim.graft:4"],
    ["graftc.site", "blocks[1].attn"],
    ["graftc.operator", "hyena_x"],
  ]);
});

describe("an initializer", () => {
  const retype = (name: string, change: (value: Value) => void) =>
    edited(({ graph }) => change(graph.values.get(name)!));

  test("with new numbers is raw data in the old place", async () => {
    const after = await retype("numbers.typed.float32", (value) => {
      const data = inMemory(encodeElements("float16", [1, 2]));
      value.initializer = { ...value.initializer!, dtype: "float16", shape: [1, 2], data };
    });
    const before = onnx.ModelProto.decode(original).graph!.initializer!;
    const now = onnx.ModelProto.decode(after).graph!.initializer!;
    expect(now.map(({ name }) => name)).toEqual(before.map(({ name }) => name));
    const at = now.findIndex(({ name }) => name === "numbers.typed.float32");
    const { dataType, dims, floatData, rawData } = now[at]!;
    expect([dataType, dims!.map(Number), floatData]).toEqual([10, [1, 2], []]);
    expect(Buffer.from(rawData!).toString("hex")).toBe("003c0040");
  });

  test("keeps its unknown fields, metadata and documentation", async () => {
    const after = await retype("segment", (value) => {
      const data = inMemory(new Uint8Array(32));
      value.initializer = { ...value.initializer!, data, metadata: new Map([["origin", "here"]]) };
    });
    const [old, now] = [original, after].map(
      (bytes) => contentsAt(bytes, 7, 5).find((tensor) => tensor.includes("segment"))!,
    );
    expect(changed(old!, now!)).toEqual({ gone: [9, 16], added: [9, 16] });
  });

  test("of strings can be made anew from another one", async () => {
    const after = await edited(({ graph }) => {
      const { initializer } = graph.values.get("strings")!;
      const value = graph.values.get("numbers.raw.bool")!;
      value.initializer = { ...initializer!, origin: null };
    });
    const tensors = onnx.ModelProto.decode(after).graph!.initializer!;
    const copy = tensors.find(({ name }) => name === "numbers.raw.bool")!;
    expect(copy.stringData).toEqual(tensors.find(({ name }) => name === "strings")!.stringData);
    expect(copy.rawData).toHaveLength(0);
  });
});

test("bodies of nodes and of functions can be edited", async () => {
  const after = await edited((model) => {
    const body = nodeCalled(model, "Loop").subgraphs[0]!;
    body.nodes[1]!.name = "inner";
    const callee = [...model.functions.values()][0]!;
    setInput(callee.nodes[1]!, 1, callee.values.get("b")!);
  });
  const model = onnx.ModelProto.decode(after);
  const loop = model.graph!.node!.find(({ opType }) => opType === "Loop")!;
  expect(loop.attribute![0]!.g!.node![1]!.name).toBe("inner");
  expect(model.functions![0]!.node![1]!.input).toEqual(["b", "b"]);
  const [old, now] = [original, after].map((bytes) => contentsAt(bytes, 25)[0]!);
  expect(changed(old!, now!)).toEqual({ gone: [7], added: [7] });
  expect(changed(original, after)).toEqual({ gone: [7, 25], added: [7, 25] });
});

test("versions of the format and of operator sets can be raised", async () => {
  const model = await readModel(everything);
  const opsets = new Map([...model.opsets, ["", 21] as const, ["com.microsoft", 1] as const]);
  const out = join(freshFolder(), "everything.onnx");
  await writeModel({ ...model, irVersion: 13, opsets }, out);
  const { irVersion, opsetImport } = onnx.ModelProto.decode(readFileSync(out));
  expect(Number(irVersion)).toBe(13);
  expect(opsetImport!.map(({ domain, version }) => [domain, Number(version)])).toEqual([
    ["ai.onnx", 21],
    ["ai.example", 3],
    ["com.microsoft", 1],
  ]);
  expect(changed(original, readFileSync(out))).toEqual({ gone: [1, 8], added: [1, 8, 8] });
});

describe("types", () => {
  const typeOf = (bytes: Buffer, name: string) => {
    const { valueInfo, output } = onnx.ModelProto.decode(bytes).graph!;
    const { type } = [...valueInfo!, ...output!].find((info) => info.name === name)!;
    return type!.tensorType!.shape!.dim!.map(
      (d) => d.dimParam || (d.dimValue && Number(d.dimValue)),
    );
  };

  test("that were inferred are not written, nor do they replace declared ones", async () => {
    const after = await edited(({ graph }) => {
      graph.values.get("called")!.type = { dtype: "float32", shape: [2, 4, 8] };
      graph.values.get("constant")!.type = { dtype: "float32", shape: [4] };
    });
    expect(after.equals(original)).toBe(true);
  });

  test("that an edit has changed replace those that they contradict", async () => {
    const after = await edited(({ graph }) => {
      graph.values.get("called")!.type = { dtype: "float32", shape: ["batch", 5, null] };
    });
    expect(typeOf(after, "called")).toEqual(["batch", 5, null]);
  });

  test("that the file itself contradicts stay as they are", async () => {
    const { graph } = onnx.ModelProto.decode(original);
    const dim = (size: number) => ({ dim: [{ dimValue: size }] });
    const infoOf = (size: number) => ({
      name: "y",
      type: { tensorType: { elemType: 1, shape: dim(size) } },
    });
    const bytes = onnx.ModelProto.encode({
      irVersion: 8,
      opsetImport: [{ version: 17 }],
      graph: {
        node: [{ opType: "Relu", input: [graph!.input![0]!.name!], output: ["y"] }],
        input: [graph!.input![0]!],
        valueInfo: [infoOf(2)],
        output: [infoOf(3)],
      },
    }).finish();
    const path = join(freshFolder(), "contradicted.onnx");
    writeFileSync(path, bytes);
    const out = join(freshFolder(), "contradicted.onnx");
    await writeModel(await readModel(path), out);
    expect(readFileSync(out).equals(bytes)).toBe(true);

    const model = await readModel(path);
    model.graph.values.get("y")!.type = { dtype: "float32", shape: [4] };
    await writeModel(model, out);
    expect(typeOf(readFileSync(out), "y")).toEqual([4]);
  });

  test("of values that declare one are written", async () => {
    const after = await edited(({ graph }) => {
      const value = graph.values.get("constant")!;
      value.type = { dtype: "float32", shape: [4] };
      value.declared = true;
    });
    expect(typeOf(after, "constant")).toEqual([4]);
  });
});

test("names of other encodings survive edits", async () => {
  const node = Buffer.from(original);
  const at = node.indexOf("everything", node.indexOf("sparse"));
  node.set([0xff, 0xc3], at);
  const folder = freshFolder();
  const { cpSync } = await import("node:fs");
  cpSync("test/fixtures/onnx", folder, { recursive: true });
  writeFileSync(join(folder, "latin.onnx"), node);
  const model = await readModel(join(folder, "latin.onnx"));
  const second = model.graph.nodes[1]!;
  second.metadata = new Map([...second.metadata, ["new", "entry"]]);
  await writeModel(model, join(folder, "out.onnx"));
  const written = readFileSync(join(folder, "out.onnx"));
  const names = [node, written].map((bytes) => contentsAt(bytes, 7, 1)[1]!);
  expect(changed(names[0]!, names[1]!)).toEqual({ gone: [], added: [9] });
});
