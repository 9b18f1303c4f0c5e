/** A training loop by hand around artifacts, as examples/train/loop.py is one. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as ort from "onnxruntime-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { TrainingJson } from "../../passes/train/describe.ts";
import { batchesOf, checkData, openData, type Tensor } from "../../runtime/index.ts";
import { artifacts } from "../../src/artifacts.ts";
import { Reporter } from "../../src/diag/diagnostic.ts";
import { inMemory, materialize } from "../../src/ir/bytes.ts";
import {
  readModel,
  readSafetensors,
  type StoredTensor,
  writeSafetensors,
} from "../../src/onnx/index.ts";
import { train } from "../../src/train.ts";
import { fixture } from "../passes/workbench.ts";
import { tensorOf } from "./twins.ts";

const model = fixture("dit-tiny-dynamo20");
const [steps, batch, seed, lr] = [3, 4, 5, 0.1];
const recipes = `
distill { steps: ${steps}, batch: ${batch}, optimizer: sgd(momentum: 0.9), lr: ${lr}, schedule: step(every: 1, by: 0.5), clip: 0.5 }
finetune { objective: diffusion, steps: 1, batch: ${batch}, optimizer: adam }
`;

let folder: string;
let edits: string;
let data: string;
beforeAll(async () => {
  process.env.ORT_DISABLE_TELEMETRY = "1";
  folder = mkdtempSync(join(tmpdir(), "graftc-"));
  edits = join(folder, "edits.graft");
  data = join(folder, "data.safetensors");
  const count = 12;
  const x = tensorOf("samples", [count, 4, 8, 8], 2);
  const y = BigInt64Array.from({ length: count }, (_, i) => BigInt(i % 10));
  await writeSafetensors(
    data,
    new Map<string, StoredTensor>([
      ["x", stored("float32", [count, 4, 8, 8], x)],
      ["y", stored("int64", [count], y)],
    ]),
  );
});
afterAll(() => rmSync(folder, { recursive: true }));

function stored(
  dtype: StoredTensor["dtype"],
  shape: number[],
  array: ArrayBufferView,
): StoredTensor {
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  return { dtype, shape, data: inMemory(bytes) };
}

const planOf = (out: string): TrainingJson =>
  JSON.parse(readFileSync(join(out, "training.json"), "utf8"));

const open = (path: string) => ort.InferenceSession.create(path, { intraOpNumThreads: 1 });

test("training.json names what the graphs take and give, in their order", async () => {
  writeFileSync(
    edits,
    `replace blocks[1, 3].attn with swa\nresize blocks[2].mlp to ratio 3${recipes}`,
  );
  const out = join(folder, "both");
  await artifacts({ model, edits: [edits], out });
  for (const stage of ["stage1", "stage2"]) {
    const plan = planOf(join(out, stage));
    const facesOf = async (name: string) => {
      const { graph } = await readModel(join(out, stage, `${name}.onnx`));
      const inputs = graph.inputs.map((value) => ({ name: value.name, type: value.type! }));
      return { inputs, outputs: graph.outputs.map((value) => value.name) };
    };
    const face = (ports: TrainingJson["inputs"] | TrainingJson["optimizer"]["inputs"]) =>
      ports.map(({ name, type, shape }) => ({ name, type: { dtype: type, shape } }));
    const names = (ports: readonly { readonly name: string }[]) => ports.map(({ name }) => name);
    const losses = plan.outputs.filter(({ role }) => role === "loss");
    expect(await facesOf("training_model")).toEqual({
      inputs: face(plan.inputs),
      outputs: names(plan.outputs),
    });
    expect(await facesOf("eval_model")).toEqual({
      inputs: face(plan.inputs),
      outputs: names(losses),
    });
    expect(await facesOf("optimizer_model")).toEqual({
      inputs: face(plan.optimizer.inputs),
      outputs: names(plan.optimizer.outputs),
    });
    const parameters = plan.inputs.filter(({ role }) => role === "parameter");
    const groups = stage === "stage1" ? ["blocks[1].attn", "blocks[3].attn", "blocks[2].mlp"] : [];
    expect(new Set(parameters.flatMap(({ group }) => group ?? []))).toEqual(new Set(groups));
    expect(losses.flatMap(({ of }) => of ?? [])).toEqual(groups);
    const { tensors } = readSafetensors(join(out, stage, "checkpoint.safetensors"));
    expect([...tensors.keys()].sort()).toEqual(names(parameters).sort());
  }
});

test("a loop by hand comes to what `train` comes to", async () => {
  writeFileSync(
    edits,
    `replace blocks[1, 3].attn with swa init fresh\n${recipes.split("\n")[1]}\n`,
  );
  const trained = join(folder, "trained.onnx");
  await train({ model, edits: [edits], data, out: trained, seed });
  const out = join(folder, "artifacts");
  await artifacts({ model, edits: [edits], out, seed });

  const plan = planOf(out);
  const training = await open(join(out, "training_model.onnx"));
  const optimizer = await open(join(out, "optimizer_model.onnx"));
  const { tensors } = readSafetensors(join(out, "checkpoint.safetensors"));
  const values = new Map<string, ort.Tensor>();
  for (const [name, tensor] of tensors) {
    values.set(name, new ort.Tensor("float32", floatsOf(tensor.data), tensor.shape));
  }
  for (const { name, role, shape } of plan.optimizer.inputs) {
    const size = shape.reduce((a: number, b) => a * Number(b), 1);
    if (role !== "state") continue;
    values.set(name, new ort.Tensor("float32", new Float32Array(size), shape as number[]));
  }
  const batches = await drawn();
  for (let step = 0; step < steps; step++) {
    for (const [name, tensor] of batches(step, 0)) values.set(name, portOf(tensor));
    const taken = (names: readonly string[]) =>
      Object.fromEntries(names.map((name) => [name, values.get(name)!]));
    const results = await training.run(taken(training.inputNames));
    for (const { name } of plan.outputs) values.set(name, results[name]!);
    values.set("learning_rate", new ort.Tensor("float32", [lr * 0.5 ** step], []));
    values.set("step", new ort.Tensor("int64", [BigInt(step + 1)], []));
    const updated = await optimizer.run(taken(optimizer.inputNames));
    for (const { name, of } of plan.optimizer.outputs) values.set(of, updated[name]!);
  }
  const { graph } = await readModel(trained);
  const parameters = plan.inputs.filter(({ role }) => role === "parameter");
  expect(parameters.length).toBe(8);
  for (const { name } of parameters) {
    const learned = floatsOf(graph.values.get(name)!.initializer!.data);
    const mine = values.get(name)!.data as Float32Array;
    const start = floatsOf(tensors.get(name)!.data);
    const way = Math.max(...learned.map((x, i) => Math.abs(x - start[i]!)));
    const apart = Math.max(...learned.map((x, i) => Math.abs(x - mine[i]!)));
    expect(way, name).toBeGreaterThan(1e-4);
    expect(apart, name).toBeLessThan(1e-3 * way);
  }
});

const floatsOf = (bytes: StoredTensor["data"]) =>
  new Float32Array(new Uint8Array(materialize(bytes)).buffer);

/** The batches that `train` draws. */
async function drawn() {
  const wanted = [
    { name: "x", dtype: "float32", shape: [4, 8, 8], role: "sample" },
    { name: "y", dtype: "int64", shape: [], role: "condition", limit: 11 },
  ] as const;
  const checked = await checkData(await openData(data), wanted, { batch, seed }, new Reporter());
  const time = { name: "t", dtype: "int64", steps: 1000 } as const;
  return batchesOf({
    data: checked,
    seed,
    batch,
    runs: 1,
    time,
    sample: "x",
    noise: "noise",
    dropped: null,
  });
}

function portOf({ dtype, shape, data: bytes }: Tensor): ort.Tensor {
  const { buffer } = new Uint8Array(bytes);
  if (dtype === "int64") return new ort.Tensor("int64", new BigInt64Array(buffer), shape);
  return new ort.Tensor("float32", new Float32Array(buffer), shape);
}
