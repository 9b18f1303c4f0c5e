/** Real exports, edited in memory and run by ONNX Runtime. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as ort from "onnxruntime-node";
import { parse } from "../../grammar/index.ts";
import { inferTypes } from "../../passes/infer-types.ts";
import { inlineCalls } from "../../passes/inline.ts";
import { applyEdits, type Report } from "../../passes/pipeline.ts";
import { createOracle } from "../../runtime/index.ts";
import { anatomize } from "../../src/anatomy/index.ts";
import { GraftError } from "../../src/diag/diagnostic.ts";
import { planOn } from "../../src/editing.ts";
import { builtins } from "../../src/grafts.ts";
import type { Model } from "../../src/ir/graph.ts";
import { encodeModel } from "../../src/onnx/encode-model.ts";
import { readModel } from "../../src/onnx/index.ts";
import { float16Value } from "../../src/onnx-ops/elements.ts";
import { loadProgram } from "../../src/plan/index.ts";
import { bitsOf, halves } from "../halves.ts";
import { freshFolder } from "../onnx/fixtures.ts";

process.env.ORT_DISABLE_TELEMETRY = "1";

export const exports: readonly string[] = [
  "dit-tiny-dynamo20",
  "dit-tiny-dynamo18-static",
  "dit-tiny-dynamo20-sdpa",
  "dit-tiny-dynamo23-sdpa",
  "dit-tiny-dynamo20-fp16",
  "dit-tiny-external",
  "dit-tiny-ts17",
  "dit-tiny-ts17-slim",
  "diffusers-dit-dynamo20",
  "pixart-dynamo20",
  "pixart-ts17",
  "vit-dynamo20",
];

export const fixture = (name: string) => `test/fixtures/models/${name}.onnx`;

const oracle = createOracle();

export async function read(path: string): Promise<Model> {
  const model = await readModel(path);
  inlineCalls(model, "blocks");
  await inferTypes(model, oracle);
  return model;
}

/** The model as it is read when it has been written. */
export async function reread(model: Model): Promise<Model> {
  const path = join(freshFolder(), "model.onnx");
  writeFileSync(path, bytesOf(model));
  return read(path);
}

export interface Edited {
  readonly model: Model;
  readonly report: Report;
}

/** @throws GraftError as compile would. */
export async function edit(path: string, text: string, seed = 0): Promise<Edited> {
  return editModel(await read(path), text, seed);
}

export async function editModel(model: Model, text: string, seed = 0): Promise<Edited> {
  const readText = () => text;
  const loaded = loadProgram(["test.graft"], new Map(), { readText, parse, builtins });
  if (!loaded.program) throw new GraftError(loaded.diagnostics);
  const host = { model, anatomy: anatomize(model), oracle };
  const planned = planOn(loaded.program, host, { sha256: () => "" });
  if (!planned.plan) throw new GraftError(planned.diagnostics);
  return { model, report: await applyEdits(model, planned.plan, { oracle, seed }) };
}

export function bytesOf(model: Model): Uint8Array {
  return encodeModel(model, () => "inline").flatten();
}

export type Tensors = Record<string, ort.Tensor>;

/** @returns outputs by name. */
export async function run(model: Model | Uint8Array, feeds: Tensors): Promise<Tensors> {
  const bytes = model instanceof Uint8Array ? model : bytesOf(model);
  const session = await ort.InferenceSession.create(bytes, { logSeverityLevel: 3 });
  try {
    return (await session.run(feeds)) as Tensors;
  } finally {
    await session.release();
  }
}

/** The recorded batch of a fixture. */
export function recorded(name: string) {
  return recordedAt(`test/fixtures/models/${name}.io.safetensors`);
}

/** `in.<input>` and `out.<output>` of a safetensors file. */
export function recordedAt(path: string): { feeds: Tensors; outputs: Tensors } {
  const file = readFileSync(path);
  const length = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString("utf8", 8, 8 + length)) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  const feeds: Tensors = {};
  const outputs: Tensors = {};
  for (const [key, entry] of Object.entries(header)) {
    if (key === "__metadata__") continue;
    const [from, to] = entry.data_offsets;
    const bytes = file.subarray(8 + length + from, 8 + length + to);
    const tensor = tensorOf(entry.dtype, bytes, entry.shape);
    if (key.startsWith("in.")) feeds[key.slice(3)] = tensor;
    else outputs[key.slice(4)] = tensor;
  }
  return { feeds, outputs };
}

function tensorOf(dtype: string, bytes: Buffer, shape: number[]): ort.Tensor {
  const copy = new Uint8Array(bytes).buffer;
  switch (dtype) {
    case "F32":
      return new ort.Tensor("float32", new Float32Array(copy), shape);
    case "F16":
      return halves(new Uint16Array(copy), shape);
    case "I64":
      return new ort.Tensor("int64", new BigInt64Array(copy), shape);
    case "BOOL":
      return new ort.Tensor("bool", new Uint8Array(copy), shape);
    default:
      throw new Error(`no ${dtype} in the fixtures`);
  }
}

/** Largest difference, and the largest value to measure it by. */
export function distance(a: ort.Tensor, b: ort.Tensor): { difference: number; scale: number } {
  const [x, y] = [numbersOf(a), numbersOf(b)];
  let [difference, scale] = [0, 0];
  for (let i = 0; i < x.length; i++) {
    difference = Math.max(difference, Math.abs(x[i]! - y[i]!));
    scale = Math.max(scale, Math.abs(x[i]!));
  }
  return { difference: x.length === y.length ? difference : Number.POSITIVE_INFINITY, scale };
}

function numbersOf(tensor: ort.Tensor): number[] {
  if (tensor.type !== "float16") return Array.from(tensor.data as Float32Array);
  return Array.from(bitsOf(tensor), float16Value);
}
