/** What `graftc artifacts` writes, run by a stock ONNX Runtime, against PyTorch's autograd. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as ort from "onnxruntime-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { TrainingJson } from "../../passes/train/describe.ts";
import { artifacts } from "../../src/artifacts.ts";
import { fixture } from "../passes/workbench.ts";
import { marksOf, tensorOf, turned } from "./twins.ts";

interface Case {
  readonly model: string;
  readonly objective: string;
  readonly loss: number;
  readonly sites?: Readonly<Record<string, number>>;
  /** By state_dict name; as `marksOf` has them. */
  readonly gradients: Readonly<Record<string, readonly number[]>>;
}

const cases: readonly Case[] = JSON.parse(
  readFileSync(join(import.meta.dirname, "../fixtures/train/gradients.json"), "utf8"),
);

let folder: string;
beforeAll(() => {
  process.env.ORT_DISABLE_TELEMETRY = "1";
  folder = mkdtempSync(join(tmpdir(), "graftc-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function artifactsOf({ model, objective }: Case): Promise<string> {
  const out = join(folder, `${model}.${objective}`);
  const recipe = objective === "distill" ? "distill {}" : `finetune { objective: ${objective} }`;
  const edits = `${out}.graft`;
  writeFileSync(
    edits,
    `replace blocks[1].attn with hyena_x init fresh\nresize blocks[2].mlp to ratio 3\n${recipe}\n`,
  );
  await artifacts({ model: fixture(model), edits: [edits], out });
  return out;
}

const planOf = (out: string): TrainingJson =>
  JSON.parse(readFileSync(join(out, "training.json"), "utf8"));

type Input = TrainingJson["inputs"][number];

function dataFor({ name, type, shape }: Input, batch: number): ort.Tensor {
  const sizes = shape.map((dim) => (typeof dim === "number" ? dim : batch));
  const float = (values: Float32Array) => {
    if (type === "float32") return new ort.Tensor("float32", values, sizes);
    throw new Error(`${name} is ${type}`);
  };
  const whole = (values: readonly number[]) =>
    type === "int64"
      ? new ort.Tensor("int64", BigInt64Array.from(values.slice(0, batch), BigInt), sizes)
      : float(Float32Array.from(values.slice(0, batch)));
  if (name === "t" || name === "timestep") return whole(batch === 2 ? [0, 812] : [0, 37, 999]);
  if (name === "y") return whole([3, 10, 1]);
  if (name === "labels") {
    const labels = BigInt64Array.from({ length: sizes[0]! * sizes[1]! }, (_, i) => BigInt(i % 64));
    return new ort.Tensor("int64", labels, sizes);
  }
  if (name === "encoder_attention_mask") {
    return float(
      Float32Array.from({ length: batch * 7 }, (_, i) => (i === 12 || i === 13 ? 0 : 1)),
    );
  }
  if (name === "encoder_hidden_states") return float(tensorOf("caption", sizes, 2));
  if (name === "pixel_values") return float(tensorOf(name, sizes, 2));
  if (name === "noise") return float(tensorOf(name, sizes, 3));
  if (name.startsWith("target.")) return float(tensorOf(name, sizes));
  const clipped = tensorOf("x", sizes, 2.2).map((x) => Math.min(1, Math.max(-1, x)));
  return float(clipped);
}

/** As they lie in the graph; rows of a matrix are its outputs in PyTorch. */
function weightFor({ name, shape, layout }: Input): ort.Tensor {
  const sizes = shape as readonly number[];
  const given = layout === "in,out" ? sizes.toReversed() : sizes;
  const matrix = sizes.length > 1 && !(sizes.length === 2 && sizes[0] === 1);
  const values = tensorOf(name, given, matrix ? 4 / Math.sqrt(given.at(-1)!) : 0.5);
  const own = layout === "in,out" ? turned(values, given) : values;
  return new ort.Tensor("float32", own, sizes);
}

async function run(path: string, feeds: Record<string, ort.Tensor>) {
  const session = await ort.InferenceSession.create(path, { intraOpNumThreads: 1 });
  const results = await session.run(feeds);
  await session.release();
  return results;
}

/** No wider than float32 loses in a model of this depth. */
const tolerance = { loss: 5e-6, gradient: 1e-4 };

test.each(cases)("$model, $objective", async (each) => {
  const out = await artifactsOf(each);
  const { inputs, outputs } = planOf(out);
  const batch = /static|vit/.test(each.model) ? 2 : 3;
  const feeds = Object.fromEntries(
    inputs.map((input) => {
      return [input.name, input.role === "data" ? dataFor(input, batch) : weightFor(input)];
    }),
  );
  const parameters = inputs.filter(({ role }) => role === "parameter");
  expect(parameters.map(({ name }) => name).sort()).toEqual(Object.keys(each.gradients).sort());

  const results = await run(join(out, "training_model.onnx"), feeds);
  const numberOf = (name: string) => Number(results[name]!.data[0]);
  expect(Math.abs(numberOf("loss") / each.loss - 1)).toBeLessThan(tolerance.loss);
  for (const { name, role, of } of outputs) {
    if (role !== "loss" || of === undefined) continue;
    expect(Math.abs(numberOf(name) / each.sites![of]! - 1)).toBeLessThan(tolerance.loss);
  }
  const largest = Math.max(...Object.values(each.gradients).map(([norm]) => norm!));
  for (const { name, shape, layout } of parameters) {
    const own = results[`${name}.grad`]!.data as Float32Array;
    const gradient = layout === "in,out" ? turned(own, shape as readonly number[]) : own;
    const want = each.gradients[name]!;
    // Some gradients are zero but for rounding: those of biases of keys, for one.
    const scale = tolerance.gradient * Math.max(want[0]!, 1e-3 * largest);
    for (const [i, mark] of marksOf(name, gradient).entries()) {
      const unit = i === 0 ? 1 : Math.sqrt(Math.log2(gradient.length) + 1);
      expect(Math.abs(mark - want[i]!), `${name} ${i}`).toBeLessThan(unit * scale);
    }
  }
  const judged = await run(join(out, "eval_model.onnx"), feeds);
  expect(Object.keys(judged)).toEqual(
    outputs.filter(({ role }) => role === "loss").map(({ name }) => name),
  );
  expect(Math.abs(Number(judged.loss!.data[0]) / each.loss - 1)).toBeLessThan(tolerance.loss);
});
