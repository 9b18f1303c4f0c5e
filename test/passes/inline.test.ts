/** Functions of models, written out. ONNX Runtime says that they compute what they did as calls. */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import * as ort from "onnxruntime-node";
import { expect, test } from "vitest";
import { inlineCalls } from "../../passes/inline.ts";
import { verify } from "../../passes/verify.ts";
import { FunctionBody, type Model, Node, Value } from "../../src/ir/graph.ts";
import { ExternalData } from "../../src/onnx/external-data.ts";
import { readModel } from "../../src/onnx/index.ts";
import { readModelFrom } from "../../src/onnx/read-model.ts";
import { Source } from "../../src/onnx/source.ts";
import { blankModel } from "../../src/onnx-ops/blank-model.ts";
import { Patch } from "../../src/onnx-ops/patch.ts";
import { run } from "./workbench.ts";

const path = "test/fixtures/functions/calls.onnx";
const opsOf = ({ graph }: Model) => graph.nodes.map(({ op }) => op);

test("calls within calls compute what they did", async () => {
  const model = await readModel(path);
  const feeds = { x: new ort.Tensor("float32", [1, -2, 0.5, 3, 0.25, -1], [2, 3]) };
  const expected = await (await ort.InferenceSession.create(path)).run(feeds);
  // Two layers, the linear, two activations and the elu in each, and the elu at the end.
  expect(inlineCalls(model, "blocks")).toBe(11);
  verify(model);
  expect(await run(model, feeds)).toEqual(expected);
});

test("attributes are those of the call, defaults, or left out", async () => {
  const model = await readModel(path);
  inlineCalls(model, "blocks");
  const alphas = (op: string) =>
    model.graph.nodes.filter((node) => node.op === op).map((node) => node.float("alpha"));
  expect(alphas("LeakyRelu")).toEqual([0.25, 0.5, 0.25, 0.5]);
  expect(alphas("Elu")).toEqual([undefined, undefined, 0.5]);
});

test("what means something else there stays a call, and its function stays", async () => {
  const model = await readModel(path);
  inlineCalls(model, "blocks");
  const local = (names: Iterable<string>) =>
    [...names].filter((name) => name.startsWith("local")).sort();
  expect(local(opsOf(model))).toEqual(["local::choosing", "local::partly"]);
  expect([...model.functions.keys()].sort()).toEqual(["local::choosing", "local::partly"]);
});

test("functions of another opset stay calls", async () => {
  const model = await readModel(path);
  model.opsets.set("", 18);
  expect(inlineCalls(model, "blocks")).toBe(0);
  expect(opsOf(model)).toContain("local::layer");
});

test("activations alone stay functions", async () => {
  const bytes = gunzipSync(readFileSync("test/fixtures/anatomy/dit-dynamo20-noopt-gelufn.onnx.gz"));
  const source = Source.hold("gelufn.onnx", bytes);
  const model = readModelFrom(source, new ExternalData("gelufn.onnx", true));
  const before = opsOf(model);
  expect(inlineCalls(model, "blocks")).toBe(0);
  expect(opsOf(model)).toEqual(before);
  const calls = before.filter((op) => op.includes("::"));
  expect(calls.length).toBeGreaterThan(0);
  expect(inlineCalls(model, "all")).toBe(calls.length);
});

/** A model of one call of the last of these, each of which makes of x what `bodies` names. */
function calling(bodies: Readonly<Record<string, readonly string[]>>): Model {
  const x = { dtype: "float32", shape: [2] } as const;
  const model = blankModel({
    path: "calls.onnx",
    opset: 17,
    irVersion: 9,
    producer: { name: "", version: "" },
    inputs: { x },
  });
  for (const [name, ops] of Object.entries(bodies)) {
    const body = new FunctionBody(name, null, new Map([["", 17]]), new Map());
    const input = new Value("x");
    body.inputs = [input];
    body.values.set("x", input);
    const patch = new Patch(body, null, "");
    let value = input;
    for (const op of ops) {
      const domain = op in bodies ? "local" : "";
      value = patch.one(op, op === "MatMul" ? [value, input] : [value], { domain });
    }
    patch.commit();
    body.outputs = [value];
    model.functions.set(`local::${name}`, body);
  }
  const patch = new Patch(model.graph, null, "");
  const y = patch.one(Object.keys(bodies).at(-1)!, [model.graph.inputs[0]!], { domain: "local" });
  patch.commit();
  model.graph.outputs = [y];
  return model;
}

test("functions that multiply without end stay calls", () => {
  const names = Array.from({ length: 40 }, (_, i) => `f${i}`);
  const doubled = names.map((name, i) => [
    name,
    i === 0 ? ["MatMul"] : Array(2).fill(names[i - 1]),
  ]);
  expect(inlineCalls(calling(Object.fromEntries(doubled.slice(0, 5))), "blocks")).toBe(31);
  expect(inlineCalls(calling(Object.fromEntries(doubled)), "blocks")).toBe(0);
});

test("functions that call themselves stay calls", () => {
  expect(inlineCalls(calling({ g: ["MatMul", "f"], f: ["g"] }), "blocks")).toBe(0);
});

test("a result that is an input handed through", () => {
  const model = calling({ same: ["MatMul"] });
  const [body] = model.functions.values();
  body!.outputs = [body!.inputs[0]!];
  expect(inlineCalls(model, "blocks")).toBe(1);
  verify(model);
  expect(opsOf(model)).toEqual(["Identity"]);
  expect(model.graph.nodes[0]).toBeInstanceOf(Node);
});
