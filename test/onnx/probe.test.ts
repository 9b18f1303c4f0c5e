/** Probes are models that a runtime accepts: the runtime is the judge. */
import { createRequire } from "node:module";
import { onnx } from "onnx-proto";
import { expect, test } from "vitest";
import { lengthOf } from "../../src/ir/bytes.ts";
import type { Model, Value } from "../../src/ir/graph.ts";
import { encodeProbe, readModel } from "../../src/onnx/index.ts";
import { everything, exported } from "./fixtures.ts";

process.env.ORT_DISABLE_TELEMETRY = "1";
const { InferenceSession } = createRequire(import.meta.url)("onnxruntime-node");

const keep = ({ initializer }: Value) => lengthOf(initializer!.data) <= 1024;
const inputsOf = ({ graph }: Model) =>
  graph.inputs.map(({ name, type }) => ({ name, type: type! }));
const made = ({ graph }: Model) =>
  graph.nodes.flatMap(({ outputs }) => outputs.flatMap((value) => value?.name ?? []));

test.each(exported)("%s: the runtime types every value of the probe", async (path) => {
  const model = await readModel(path);
  const outputs = made(model);
  const bytes = encodeProbe(model, { inputs: inputsOf(model), outputs, keep });
  const session = await InferenceSession.create(bytes, {
    graphOptimizationLevel: "disabled",
    logSeverityLevel: 3,
  });
  const types = new Map(session.outputMetadata.map((port: { name: string }) => [port.name, port]));
  expect([...types.keys()].sort()).toEqual([...outputs].sort());
  for (const value of model.graph.values.values()) {
    if (!value.declared || !value.producer) continue;
    expect((types.get(value.name) as { type: string }).type).toBe(value.type!.dtype);
  }
  await session.release();
});

test("weights that are not kept are inputs of their type", async () => {
  const model = await readModel("test/fixtures/models/dit-tiny-external.onnx");
  const bytes = encodeProbe(model, { inputs: inputsOf(model), outputs: ["out"], keep });
  const { graph } = onnx.ModelProto.decode(bytes);
  const weights = [...model.graph.initializers];
  const names = (list: { name?: string | null }[] | null | undefined) =>
    list!.map(({ name }) => name).sort();
  expect(names(graph!.initializer)).toEqual(names(weights.filter(keep)));
  const others = weights.filter((value) => !keep(value)).map(({ name }) => name);
  expect(names(graph!.input)).toEqual([...others, "t", "x", "y"].sort());
  const pos = graph!.input!.find(({ name }) => name === others[0])!.type!.tensorType!;
  const { shape } = model.graph.values.get(others[0]!)!.initializer!;
  expect(pos.shape!.dim!.map(({ dimValue }) => Number(dimValue))).toEqual(shape);
  expect(bytes.length).toBeLessThan(400_000);
});

test("only chosen nodes, and what they read", async () => {
  const model = await readModel("test/fixtures/models/vit-dynamo20.onnx");
  const [chosen] = model.graph.nodes.filter(({ opType }) => opType === "LayerNormalization");
  const [x] = chosen!.inputs;
  const bytes = encodeProbe(model, {
    inputs: [{ name: x!.name, type: { dtype: "float32", shape: ["b", 17, 64] } }],
    outputs: [chosen!.outputs[0]!.name],
    keep: () => false,
    nodes: (node) => node === chosen,
  });
  const session = await InferenceSession.create(bytes);
  expect(session.inputNames).toEqual(chosen!.inputs.map((value) => value!.name));
  expect(session.outputMetadata[0].shape).toEqual(["b", 17, 64]);
  await session.release();
});

test("bodies may read values of the graphs around them", async () => {
  const model = await readModel(everything);
  const loop = model.graph.nodes.find(({ opType }) => opType === "Loop")!;
  const body = loop.subgraphs[0]!;
  const bytes = encodeProbe(model, { graph: body, inputs: [], outputs: ["body.y"], keep });
  const { graph, functions } = onnx.ModelProto.decode(bytes);
  const [external] = graph!.initializer!;
  expect([external!.name, external!.rawData!.length, external!.externalData]).toEqual([
    "body.w",
    16,
    [],
  ]);
  expect(functions!.map(({ name }) => name)).toEqual(["Leaky"]);
  const then = encodeProbe(model, {
    graph: body.nodes[0]!.subgraphs[1]!,
    inputs: [{ name: "x", type: { dtype: "float32", shape: [4] } }],
    outputs: ["then.y"],
    keep: () => true,
  });
  expect(onnx.ModelProto.decode(then).graph!.initializer!.map(({ name }) => name)).toEqual([
    "body.w",
  ]);
});
