/** What the codec reads, against somebody else's decoder and numpy. */
import { readFileSync } from "node:fs";
import { onnx } from "onnx-proto";
import { describe, expect, test } from "vitest";
import type { AttributeValue, Graph, Initializer, Value } from "../../src/ir/graph.ts";
import { dtypes, type TensorType } from "../../src/ir/types.ts";
import { readModel, tensorBytes, tensorValues } from "../../src/onnx/index.ts";
import { digest, everything, exported } from "./fixtures.ts";

const text = (bytes: Uint8Array | null | undefined) => Buffer.from(bytes ?? []).toString("latin1");

/** A graph in words, from the decoder of onnx-proto. */
function theirs(graph: onnx.IGraphProto): unknown {
  return {
    name: graph.name,
    inputs: graph.input?.map(({ name }) => name),
    outputs: graph.output?.map(({ name }) => name),
    initializers: graph.initializer?.map((tensor) => [tensor.name, theirTensor(tensor)]),
    nodes: graph.node?.map((node) => ({
      name: node.name,
      op: node.opType,
      domain: node.domain === "ai.onnx" ? "" : node.domain,
      inputs: node.input,
      outputs: node.output,
      attributes: node.attribute?.map((a) => [a.name, theirAttribute(a)]),
    })),
  };
}

function theirTensor(tensor: onnx.ITensorProto): unknown {
  const raw = tensor.rawData?.length ? digest(tensor.rawData) : null;
  return { dtype: tensor.dataType, shape: tensor.dims?.map(Number), raw };
}

function theirAttribute(a: onnx.IAttributeProto): unknown {
  if (a.refAttrName) return `@${a.refAttrName}`;
  switch (a.type) {
    case 1:
      return a.f;
    case 2:
      return String(a.i);
    case 3:
      return text(a.s);
    case 4:
      return theirTensor(a.t!);
    case 5:
      return theirs(a.g!);
    case 6:
      return [...a.floats!];
    case 7:
      return a.ints!.map(String);
    case 8:
      return a.strings!.map(text);
    case 9:
      return a.tensors!.map(theirTensor);
    case 10:
      return a.graphs!.map(theirs);
    default:
      return "not understood";
  }
}

/** The same from graftc's objects. */
function ours(graph: Graph): unknown {
  const names = (values: readonly (Value | null)[]) => values.map((value) => value?.name ?? "");
  return {
    name: graph.name,
    inputs: names(graph.inputs),
    outputs: names(graph.outputs),
    initializers: [...graph.initializers].map((v) => [v.name, ourTensor(v.initializer!)]),
    nodes: graph.nodes.map((node) => ({
      name: node.name,
      op: node.opType,
      domain: node.domain,
      inputs: names(node.inputs),
      outputs: names(node.outputs),
      attributes: [...node.attributes].map(([name, { value }]) => [name, ourAttribute(value)]),
    })),
  };
}

function ourTensor({ dtype, shape, data }: Initializer): unknown {
  const inline = data.kind === "file" && data.file.path.endsWith(".onnx") && data.length > 0;
  const raw = inline ? digest(data.file.read(data.offset, data.length)) : null;
  return { dtype: dtypes[dtype].code, shape: [...shape], raw };
}

function ourAttribute(attribute: AttributeValue): unknown {
  switch (attribute.type) {
    case "int":
      return String(attribute.value);
    case "ints":
      return attribute.value.map(String);
    case "string":
      return text(attribute.value);
    case "strings":
      return attribute.value.map(text);
    case "tensor":
      return ourTensor(attribute.value);
    case "tensors":
      return attribute.value.map(ourTensor);
    case "graph":
      return ours(attribute.value);
    case "graphs":
      return attribute.value.map(ours);
    case "reference":
      return `@${attribute.name}`;
    case "opaque":
      return "not understood";
    default:
      return attribute.value;
  }
}

describe.each([...exported, everything])("%s", (path) => {
  const model = onnx.ModelProto.decode(readFileSync(path));

  test("holds the graph that protobufjs sees", async () => {
    const { graph } = await readModel(path);
    const expected = theirs(model.graph!);
    expect(ours(graph)).toEqual(expected);
    expect(ours((await readModel(path, { holdUpTo: 0 })).graph)).toEqual(expected);
  });

  test("declares the types that protobufjs sees", async () => {
    const { graph } = await readModel(path);
    const { input = [], output = [], valueInfo = [] } = model.graph!;
    const declared = [...valueInfo!, ...input!, ...output!].flatMap((info) => {
      const tensor = info.type?.tensorType;
      return tensor && graph.values.has(info.name!) ? [[info.name!, theirType(tensor)]] : [];
    });
    const found = declared.map(([name]) => [name, graph.values.get(name as string)!.type]);
    expect(found).toEqual(declared);
    expect(declared.every(([name]) => graph.values.get(name as string)!.declared)).toBe(true);
  });

  test("knows who makes and who reads each value", async () => {
    const { graph } = await readModel(path);
    for (const node of graph.nodes) {
      node.outputs.forEach((value, i) => {
        if (value) expect(value.producer === node && value.producerIndex === i).toBe(true);
      });
      node.inputs.forEach((value, index) => {
        const uses = [...(value?.uses ?? [])].filter((use) => use.node === node);
        if (value) expect(uses.map((use) => use.index)).toContain(index);
      });
    }
  });
});

function theirType({ elemType, shape }: onnx.TypeProto.ITensor): TensorType {
  const dtype = Object.entries(dtypes).find(([, { code }]) => code === elemType)![0];
  const dims = shape?.dim?.map((d) => d.dimParam || (d.dimValue ? Number(d.dimValue) : null));
  return { dtype: dtype as TensorType["dtype"], shape: dims ?? null };
}

describe("values", () => {
  const numbers: Record<string, string[]> = JSON.parse(
    readFileSync("test/fixtures/onnx/everything.json", "utf8"),
  );
  const words: Record<string, number> = {
    nan: Number.NaN,
    inf: Number.POSITIVE_INFINITY,
    "-inf": Number.NEGATIVE_INFINITY,
  };

  test.each(Object.entries(numbers))("of %s are numpy's", async (name, expected) => {
    const { graph } = await readModel(everything);
    const raw = graph.values.get(`numbers.raw.${name}`)!.initializer!;
    const typed = graph.values.get(`numbers.typed.${name}`)!.initializer!;
    expect([...tensorValues(raw)]).toEqual(expected.map((word) => words[word] ?? Number(word)));
    expect(Buffer.from(tensorBytes(typed))).toEqual(Buffer.from(tensorBytes(raw)));
  });

  test("of external data come from the file", async () => {
    const { graph } = await readModel(everything);
    const bytes = (name: string) => tensorBytes(graph.values.get(name)!.initializer!);
    const first = readFileSync("test/fixtures/onnx/everything.data");
    const second = readFileSync("test/fixtures/onnx/weights/second.bin");
    expect(Buffer.from(bytes("external.open"))).toEqual(first.subarray(1024, 1124));
    expect(Buffer.from(bytes("external.bare"))).toEqual(second.subarray(0, 8));
  });
});

test("names that are no UTF-8 are told apart", async () => {
  const { graph } = await readModel(everything);
  const node = graph.nodes.find(({ opType }) => opType === "Everything")!;
  const strings = node.attributes.get("strings")!.value;
  expect(strings.type === "strings" && strings.value.map(text)).toEqual(["a", "\xff\x00"]);
  expect(node.metadata.get("\u00fc")).toBe("\u2713");
});

test("bodies read the values of the graphs around them", async () => {
  const { graph } = await readModel(everything);
  const loop = graph.nodes.find(({ opType }) => opType === "Loop")!;
  const body = loop.subgraphs[0]!;
  expect(body.owner === loop).toBe(true);
  const choice = body.nodes[0]!;
  const [otherwise, then] = choice.subgraphs.map(({ nodes }) => nodes[0]!);
  expect(then!.inputs[0] === graph.values.get("x")).toBe(true);
  expect(then!.inputs[1] === body.values.get("body.w")).toBe(true);
  expect(otherwise!.inputs[0] === graph.values.get("y")).toBe(true);
  expect([...graph.values.get("x")!.uses].some(({ node }) => node === then)).toBe(true);
});

test("functions have a namespace of their own", async () => {
  const { functions } = await readModel(everything);
  const body = functions.get("ai.example::Leaky:second")!;
  expect([...body.values.keys()]).toEqual(["a", "b", "c"]);
  expect(body.nodes[0]!.attributes.get("alpha")!.value).toEqual({
    type: "reference",
    name: "slope",
  });
  expect(body.outputs[0]!.producer === body.nodes[1]).toBe(true);
});
