import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { inferTypes } from "../../passes/infer-types.ts";
import { candidateFeeds, compareModels, createOracle, valuesOf } from "../../runtime/index.ts";
import { useOf } from "../../runtime/verify/input-uses.ts";
import type { Model } from "../../src/ir/graph.ts";
import { readModel } from "../../src/onnx/index.ts";
import { encodeElements } from "../../src/onnx-ops/elements.ts";

const folder = "test/fixtures/models";
const oracle = createOracle();
const scratch = mkdtempSync(join(tmpdir(), "graftc-verify-"));

async function typed(path: string): Promise<Model> {
  const model = await readModel(path);
  await inferTypes(model, oracle);
  return model;
}

async function compare(before: string, after: string, keepsFunction: boolean) {
  return compareModels({ before, after, model: await typed(before) }, { keepsFunction });
}

/** A copy of a fixture whose weight `name` is `change`d, element by element. */
function altered(model: string, name: string, change: (x: number) => number): string {
  const { onnx } = createRequire(import.meta.url)("onnx-proto");
  const proto = onnx.ModelProto.decode(readFileSync(`${folder}/${model}.onnx`));
  const tensor = proto.graph.initializer.find((each: { name: string }) => each.name === name);
  const bytes = new Uint8Array(tensor.rawData);
  const values = new Float32Array(bytes.buffer);
  values.set(values.map(change));
  tensor.rawData = bytes;
  const path = join(scratch, `${model}-${name}.onnx`);
  writeFileSync(path, onnx.ModelProto.encode(proto).finish());
  return path;
}

describe.each([
  "dit-tiny-dynamo20",
  "dit-tiny-dynamo20-fp16",
  "dit-tiny-dynamo18-static",
  "dit-tiny-external",
  "diffusers-dit-dynamo20",
  "pixart-ts17",
  "vit-dynamo20",
])("%s", (name) => {
  test("is itself", async () => {
    const path = `${folder}/${name}.onnx`;
    const { outputs } = await compare(path, path, true);
    expect(outputs).toHaveLength(1);
    const { absolute, scale, bound } = outputs[0]!;
    expect(absolute).toBe(0);
    expect(scale).toBeGreaterThan(0.5);
    expect(bound).toBeGreaterThan(0);
    expect(bound! / scale).toBeLessThan(name.endsWith("fp16") ? 0.05 : 2e-5);
  });
});

test.each([
  ["dit-tiny-dynamo20", "dit-tiny-ts17"],
  ["dit-tiny-ts17", "dit-tiny-dynamo20-sdpa"],
  ["dit-tiny-dynamo23-sdpa", "dit-tiny-ts17-slim"],
  ["pixart-dynamo20", "pixart-ts17"],
])("rounding explains the difference of %s and %s, one network written twice", async (a, b) => {
  const { outputs } = await compare(`${folder}/${a}.onnx`, `${folder}/${b}.onnx`, true);
  expect(outputs[0]!.absolute).toBeGreaterThan(0);
  expect(outputs[0]!.absolute).toBeLessThan(outputs[0]!.bound!);
});

test.each([
  ["blocks.3.attn.proj.bias", (x: number) => x + 1e-3],
  ["blocks.0.mlp.fc1.bias", (x: number) => x * 1.05],
  ["final_layer.linear.bias", (x: number) => x + 2e-4],
])("a small change of %s is not taken for rounding", async (weight, change) => {
  const before = `${folder}/dit-tiny-dynamo20.onnx`;
  const after = altered("dit-tiny-dynamo20", weight, change);
  await expect(compare(before, after, true)).rejects.toThrow(
    /verify-failed.*Output `out` differs by \S+, and rounding explains/,
  );
  const { outputs } = await compare(before, after, false);
  expect(outputs[0]!.absolute).toBeGreaterThan(1e-5);
  expect(outputs[0]!.relative).toBeCloseTo(outputs[0]!.absolute / outputs[0]!.scale);
  expect(outputs[0]!.bound).toBeNull();
});

/** Rows of a table in float16, taken by number, times each factor in turn. */
function scaledRows(name: string, factors: readonly number[], to: number): string {
  const { onnx } = createRequire(import.meta.url)("onnx-proto");
  const typed = (elemType: number) => ({
    tensorType: { elemType, shape: { dim: [{ dimValue: 6 }] } },
  });
  const half = (label: string, dims: number[], values: number[]) => {
    return { name: label, dims, dataType: 10, rawData: encodeElements("float16", values) };
  };
  const table = Array.from({ length: 50 }, (_, i) => Math.sin(i * i));
  const steps = factors.map((_, i) => ({
    opType: "Mul",
    input: [`x${i}`, `f${i}`],
    output: [`x${i + 1}`],
  }));
  const cast = { opType: "Cast", input: [`x${factors.length}`], output: ["y"] };
  const graph = {
    name,
    node: [
      { opType: "Gather", input: ["table", "ids"], output: ["x0"] },
      ...steps,
      { ...cast, attribute: [{ name: "to", type: 2, i: to }] },
    ],
    initializer: [
      half("table", [50], table),
      ...factors.map((factor, i) => half(`f${i}`, [], [factor])),
    ],
    input: [{ name: "ids", type: typed(7) }],
    output: [{ name: "y", type: typed(to) }],
  };
  const path = join(scratch, `${name}-${to}.onnx`);
  const proto = { irVersion: 8, opsetImport: [{ domain: "", version: 17 }], graph };
  writeFileSync(path, onnx.ModelProto.encode(proto).finish());
  return path;
}

test.each([
  ["float16", 10],
  ["float32", 1],
])("half precision rounds also where no input can be moved, and %s leaves", async (_, to) => {
  const before = scaledRows("twice", [0.7, 0.3], to);
  const { outputs } = await compare(before, scaledRows("once", [0.21], to), true);
  expect(outputs[0]!.absolute).toBeGreaterThan(2e-5 * outputs[0]!.scale);
  await expect(compare(before, scaledRows("off", [0.212], to), true)).rejects.toThrow();
});

test("models of other inputs cannot be compared", async () => {
  await expect(
    compare(`${folder}/dit-tiny-dynamo20.onnx`, `${folder}/vit-dynamo20.onnx`, false),
  ).rejects.toThrow(/verify-impossible/);
});

test("symbolic sizes and token ids that the model takes are found", async () => {
  const path = "test/fixtures/shapes/text-two-names.onnx";
  const { inputs, outputs } = await compare(path, path, true);
  expect(inputs).toEqual([
    { name: "ids", shape: [2, 16] },
    { name: "am", shape: [2, 16] },
  ]);
  expect(outputs[0]!.absolute).toBe(0);
});

test("integer inputs are used as what the graph does with them", async () => {
  const text = await typed("test/fixtures/shapes/text.onnx");
  expect(text.graph.inputs.map(useOf)).toEqual([{ kind: "index", limit: 20 }, { kind: "mask" }]);
  const dit = await typed(`${folder}/dit-tiny-ts17.onnx`);
  expect(dit.graph.inputs.slice(1).map(useOf)).toEqual([
    { kind: "scale" },
    { kind: "index", limit: 11 },
  ]);
});

test("the same seed gives the same inputs", async () => {
  const { graph } = await typed(`${folder}/pixart-dynamo20.onnx`);
  const first = (seed: number) => {
    const feeds = candidateFeeds(graph, seed).next().value!;
    return [...feeds].map(([name, tensor]) => [name, [...valuesOf(tensor)]]);
  };
  expect(first(7)).toEqual(first(7));
  expect(first(7)).not.toEqual(first(8));
});
