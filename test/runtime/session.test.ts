import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onnx } from "onnx-proto";
import { describe, expect, test } from "vitest";
import {
  differenceOf,
  loads,
  openSession,
  parseDevice,
  type Tensor,
  timeModels,
} from "../../runtime/index.ts";
import { providersOf } from "../../runtime/session/device.ts";
import { readRecording } from "./recording.ts";

const folder = "test/fixtures/models";

/** Largest differences from PyTorch's eager outputs, as the fixtures' makers measured them. */
const measured: Record<string, number> = {
  "dit-tiny-dynamo20": 1.2e-5,
  "dit-tiny-dynamo18-static": 1.2e-5,
  "dit-tiny-dynamo20-sdpa": 1.2e-5,
  "dit-tiny-dynamo23-sdpa": 1.2e-5,
  "dit-tiny-dynamo20-fp16": 3.9e-3,
  "dit-tiny-external": 1.2e-5,
  "dit-tiny-ts17": 1.9e-6,
  "dit-tiny-ts17-slim": 1.9e-6,
  "diffusers-dit-dynamo20": 1.3e-6,
  "pixart-dynamo20": 2.3e-6,
  "pixart-ts17": 7.2e-7,
  "vit-dynamo20": 1.7e-6,
};

describe.each(Object.entries(measured))("%s", (name, difference) => {
  test("gives what PyTorch gave", async () => {
    const { inputs, outputs } = readRecording(`${folder}/${name}.io.safetensors`);
    const session = await openSession(`${folder}/${name}.onnx`);
    const { outputs: actual } = await session.run(inputs);
    await session.release();
    expect([...actual.keys()].sort()).toEqual([...outputs.keys()].sort());
    for (const [output, expected] of outputs) {
      // Other processors order sums in other ways.
      expect(differenceOf(expected, actual.get(output)!).absolute).toBeLessThan(2 * difference);
    }
  });
});

test("a session names its inputs and outputs, and gives the outputs asked for", async () => {
  const session = await openSession(`${folder}/dit-tiny-dynamo20.onnx`);
  expect(session.inputs.map(({ name, dtype, shape }) => [name, dtype, shape])).toEqual([
    ["x", "float32", ["batch", 4, 8, 8]],
    ["t", "int64", ["batch"]],
    ["y", "int64", ["batch"]],
  ]);
  const { inputs } = readRecording(`${folder}/dit-tiny-dynamo20.io.safetensors`);
  const { outputs } = await session.run(inputs, { fetch: ["out"] });
  expect([...outputs.keys()]).toEqual(["out"]);
  await expect(session.run(new Map([...inputs].slice(1)))).rejects.toThrow(/is missing/);
  await session.release();
  await expect(session.run(inputs)).rejects.toThrow(/not open/);
});

test("an output that the graph names twice", async () => {
  const path = join(mkdtempSync(join(tmpdir(), "graftc-")), "twice.onnx");
  const type = { tensorType: { elemType: 1, shape: { dim: [{ dimValue: 1 }] } } };
  const node = [{ opType: "Neg", input: ["x"], output: ["y"] }];
  const output = [1, 2].map(() => ({ name: "y", type }));
  const graph = { name: "g", input: [{ name: "x", type }], output, node };
  const opsetImport = [{ domain: "", version: 17 }];
  writeFileSync(path, onnx.ModelProto.encode({ irVersion: 8, opsetImport, graph }).finish());
  const session = await openSession(path);
  const x: Tensor = { dtype: "float32", shape: [1], data: new Uint8Array([0, 0, 128, 63]) };
  const { outputs } = await session.run(new Map([["x", x]]));
  expect([...outputs.get("y")!.data]).toEqual([0, 0, 128, 191]);
  await session.release();
});

test("an abort is heard after the run, and before the next", async () => {
  const session = await openSession(`${folder}/dit-tiny-dynamo20.onnx`);
  const { inputs } = readRecording(`${folder}/dit-tiny-dynamo20.io.safetensors`);
  const controller = new AbortController();
  const run = session.run(inputs, { signal: controller.signal });
  controller.abort(new Error("enough"));
  await expect(run).rejects.toThrow("enough");
  await expect(session.run(inputs, { signal: controller.signal })).rejects.toThrow("enough");
  await session.release();
});

test("sessions in turn are timed on the same inputs", async () => {
  const { inputs, outputs } = readRecording(`${folder}/dit-tiny-ts17.io.safetensors`);
  const paths = [`${folder}/dit-tiny-ts17.onnx`, `${folder}/dit-tiny-ts17-slim.onnx`];
  const timings = await timeModels(paths, inputs, { runs: 3, threads: 1 });
  expect(timings.map(({ path }) => path)).toEqual(paths);
  for (const { medianMilliseconds, fastestMilliseconds, outputs: actual } of timings) {
    expect(fastestMilliseconds).toBeGreaterThan(0);
    expect(medianMilliseconds).toBeGreaterThanOrEqual(fastestMilliseconds);
    expect(differenceOf(outputs.get("out")!, actual.get("out")!).absolute).toBeLessThan(1e-5);
  }
});

describe("loads", () => {
  test.each(Object.keys(measured))("%s", async (name) => {
    expect(await loads(`${folder}/${name}.onnx`)).toBeNull();
  });

  test("what does not load is refused, in words", async () => {
    await expect(loads("test/fixtures/shapes/wrong-shape.onnx")).rejects.toThrow(
      /model-refused.*wrong-shape.onnx: .*misfit.*Incompatible dimensions/,
    );
    const garbage = join(mkdtempSync(join(tmpdir(), "graftc-")), "garbage.onnx");
    writeFileSync(garbage, "no protobuf");
    await expect(loads(garbage)).rejects.toThrow(/model-refused.*Protobuf parsing failed/);
  });

  test("a file of many nodes is read back and probed instead", async () => {
    const nodes = 20_000;
    expect(await loads(`${folder}/pixart-ts17.onnx`, { nodes })).toBeNull();
    const wrong = "test/fixtures/shapes/wrong-shape.onnx";
    await expect(loads(wrong, { nodes })).rejects.toThrow(/model-refused.*misfit/);
    expect(await loads(wrong, { nodes, original: wrong })).toMatchObject({
      code: "load-unproven",
    });
  });

  test("a model whose original does not load either is not proven", async () => {
    const path = "test/fixtures/shapes/unknown-operator.onnx";
    const warning = await loads(path, { original: path });
    expect(warning).toMatchObject({ code: "load-unproven", severity: "warning" });
    expect(warning!.message).toMatch(/acme:Mystery/);
    const other = `${folder}/vit-dynamo20.onnx`;
    await expect(loads(path, { original: other })).rejects.toThrow(/acme:Mystery/);
  });
});

describe("devices", () => {
  test("cpu, cuda and cuda:N", () => {
    expect(parseDevice("cpu")).toEqual({ kind: "cpu" });
    expect(parseDevice("cuda")).toEqual({ kind: "cuda", index: 0 });
    expect(parseDevice("cuda:3")).toEqual({ kind: "cuda", index: 3 });
    for (const text of ["gpu", "cuda:", "cuda:x", "CPU", ""]) {
      expect(parseDevice(text)).toBeUndefined();
    }
  });

  test("a GPU that is not there is an error with a way out", () => {
    // No machine has so many.
    const absent = () => providersOf({ kind: "cuda", index: 999 });
    expect(absent).toThrow(/cuda-unavailable/);
    try {
      absent();
    } catch (cause) {
      const [found] = (cause as { diagnostics: { message: string; hint: string }[] }).diagnostics;
      expect(found!.message).toMatch(/^CUDA cannot be used: \S+/);
      expect(found!.hint).toContain("ONNXRUNTIME_NODE_INSTALL=cuda12 npm rebuild onnxruntime-node");
    }
  });
});

test("differences", () => {
  const of = (...values: number[]): Tensor => ({
    dtype: "float32",
    shape: [values.length],
    data: new Uint8Array(Float32Array.from(values).buffer),
  });
  expect(differenceOf(of(1, -4), of(1, -3))).toEqual({ absolute: 1, relative: 0.25, scale: 4 });
  expect(differenceOf(of(0, 0), of(0, 0))).toEqual({ absolute: 0, relative: 0, scale: 0 });
  expect(differenceOf(of(1), of(Number.NaN)).absolute).toBe(Number.POSITIVE_INFINITY);
  expect(differenceOf(of(Number.NaN), of(Number.NaN)).absolute).toBe(0);
  expect(differenceOf(of(1), of(1, 2)).absolute).toBe(Number.POSITIVE_INFINITY);
});
