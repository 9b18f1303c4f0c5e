/** Parts that are computed in half precision on a stream of float32, as autocast writes them. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as ort from "onnxruntime-node";
import { describe, expect, test } from "vitest";
import { inMemory } from "../../src/ir/bytes.ts";
import type { Model, Value } from "../../src/ir/graph.ts";
import { encodeElements } from "../../src/onnx-ops/elements.ts";
import * as g from "../../src/presets/growth.ts";
import { normal } from "../../src/presets/weights.ts";
import { grown, heads, hidden, tokens, toolsOf, width } from "./block-tools.ts";
import { bytesOf, distance, edit, editModel, reread, run } from "./workbench.ts";

const [float32, float16] = [1, 10];
const inner = width / heads;

type Cast = (growth: g.Growth, x: Value) => Value;
const to =
  (code: number): Cast =>
  (growth, x) =>
    g.op(growth, "Cast", [x], { to: code });
const [wide, half] = [to(float32), to(float16)];

/** Stored in float32, and computed in half precision. */
function halfLinear(outer: g.Growth, step: string, x: Value, sizes: [number, number]): Value {
  const growth = g.at(outer, step);
  const w = half(growth, g.weight(growth, "weight", sizes, normal(0.4)));
  const b = half(growth, g.weight(growth, "bias", [sizes[1]], normal(0.4)));
  return g.op(growth, "Add", [g.op(growth, "MatMul", [x, w]), b]);
}

function constant(growth: g.Growth, shape: readonly number[], values: readonly number[]): Value {
  return growth.patch.constant("float32", shape, inMemory(encodeElements("float32", values)));
}

/** x cos + turned(x) sin, in float32. */
function rotated(growth: g.Growth, x: Value): Value {
  const angles = Array.from({ length: tokens * inner }, (_, i) => Math.floor(i / inner) * 0.3);
  const [cos, sin] = [Math.cos, Math.sin].map((f) =>
    constant(growth, [tokens, inner], angles.map(f)),
  ) as [Value, Value];
  const [a, b] = g.split(growth, wide(growth, x), -1, 2) as [Value, Value];
  const turned = g.op(growth, "Concat", [g.op(growth, "Neg", [b]), a], { axis: -1 });
  const terms = [g.op(growth, "Mul", [wide(growth, x), cos]), g.op(growth, "Mul", [turned, sin])];
  return g.op(growth, "Add", terms);
}

interface Form {
  /** Queries and keys are turned, in float32. */
  readonly rotates?: boolean;
  /** Added to the scores. */
  readonly mask?: readonly number[];
  /** The MLPs have tokens of all samples in one row, up to their last projection. */
  readonly flattens?: boolean;
  /** The type of scores; float32 where it is not said. */
  readonly softmax?: Cast;
}

function attention(outer: g.Growth, x: Value, form: Form): Value {
  const growth = g.at(outer, "attn");
  const { rotates, mask, softmax = wide } = form;
  const [q, k, v] = ["q", "k", "v"].map((step) => {
    const y = halfLinear(growth, step, half(growth, x), [width, width]);
    const apart = g.transpose(growth, g.reshape(growth, y, [0, -1, heads, inner]), [0, 2, 1, 3]);
    return rotates && step !== "v" ? half(growth, rotated(growth, apart)) : apart;
  }) as [Value, Value, Value];
  const product = g.op(growth, "MatMul", [q, g.transpose(growth, k, [0, 1, 3, 2])]);
  const scaled = g.op(growth, "Mul", [
    softmax(growth, product),
    softmax(growth, constant(growth, [], [inner ** -0.5])),
  ]);
  const table = mask && constant(growth, [tokens, tokens], mask);
  const scores = table ? g.op(growth, "Add", [scaled, table]) : scaled;
  const shares = half(growth, g.op(growth, "Softmax", [scores], { axis: -1 }));
  const heard = g.transpose(growth, g.op(growth, "MatMul", [shares, v]), [0, 2, 1, 3]);
  return halfLinear(growth, "out", g.reshape(growth, heard, [0, -1, width]), [width, width]);
}

function mlp(outer: g.Growth, x: Value, { flattens }: Form): Value {
  const growth = g.at(outer, "mlp");
  const rows = flattens ? g.reshape(growth, x, [-1, width]) : x;
  const units = g.gelu(growth, halfLinear(growth, "fc1", half(growth, rows), [width, hidden]));
  const apart = flattens ? g.reshape(growth, units, [-1, tokens, hidden]) : units;
  return halfLinear(growth, "fc2", apart, [hidden, width]);
}

function mixed(form: Form = {}): Promise<Model> {
  return grown((root, x) => {
    let y = x;
    for (const i of [0, 1, 2]) {
      const growth = g.at(root, `blocks.${i}`);
      const { norm, add } = toolsOf(growth);
      y = add(y, wide(growth, attention(growth, norm(y), form)));
      y = add(y, wide(growth, mlp(growth, norm(y), form)));
    }
    return y;
  });
}

const shape = [2, tokens, width];
const x = Float32Array.from({ length: 2 * tokens * width }, (_, i) => Math.sin(1.7 * i));
const outputOf = async (model: Model) =>
  (await run(model, { x: new ort.Tensor("float32", x, shape) })).y!;

async function edited(form: Form, text: string) {
  const model = await mixed(form);
  const before = await outputOf(model);
  const { report } = await editModel(model, text);
  const { difference, scale } = distance(before, await outputOf(model));
  const types = report.weights.map(({ name }) => model.graph.values.get(name)!.initializer!.dtype);
  return { model, report, error: difference / scale, types: [...new Set(types)] };
}

/** The types in which the nodes of this operator that the edit grew compute. */
function computed({ graph }: Model, op: string): (string | undefined)[] {
  const grown = graph.nodes.filter(
    (node) => node.op === op && node.metadata.get("graftc.edit") !== undefined,
  );
  return [...new Set(grown.map(({ outputs }) => outputs[0]!.type?.dtype))];
}

/** What half precision explains. */
const close = 4e-3;

describe("attentions that read float32 and give half precision", () => {
  test.each(["hyena_se", "mamba2", "swa", "linear_attention"])("%s", async (name) => {
    const { model, error, types } = await edited({}, `replace blocks[1].attn with ${name}`);
    expect([computed(model, "MatMul").includes("float16"), types]).toEqual([true, ["float32"]]);
    expect(error).toBeGreaterThan(close);
    await editModel(await reread(model), "replace blocks[1].attn with hyena_x");
  });

  test("keep what they compute", async () => {
    const { model, error, report } = await edited({}, "replace blocks[all].attn with mha");
    expect([computed(model, "MatMul"), report.keepsFunction]).toEqual([["float16"], true]);
    expect(error).toBeLessThan(close);
  });

  test("turn queries and keys in float32", async () => {
    const { error } = await edited({ rotates: true }, "replace blocks[all].attn with mha");
    expect(error).toBeLessThan(close);
  });

  test("have numbers for rows that a mask hides, beyond what half precision holds", async () => {
    const mask = Array.from({ length: tokens * tokens }, (_, i) => (i < 2 * tokens ? -1e9 : 0));
    const { error } = await edited({ mask }, "replace blocks[all].attn with mha");
    expect(error).toBeLessThan(1);
  });
});

test.each(["mlp(ratio: 1.5)", "swiglu", "mlp_hyena_x"])(
  "MLPs that set tokens apart: %s",
  async (name) => {
    const { error, report } = await edited(
      { flattens: true },
      `replace blocks[1].mlp with ${name}`,
    );
    expect([error < close, report.keepsFunction]).toEqual(new Array(2).fill(/^mlp\(/.test(name)));
  },
);

test("norms between two types", async () => {
  const text = `replace blocks[1].norm2 with rms
    operator rms for norm { layer norm = rms_norm(D)
      return norm(x) }`;
  const { error } = await edited({}, text);
  expect(error).toBeGreaterThan(0);
});

test("another type than that of `x` and that of the place is no mistake to hide", async () => {
  const text = `replace blocks[1].attn with strange
    operator strange for attn { return float64(x) }`;
  await expect(edited({}, text)).rejects.toThrow("returned-type");
});

const folder = mkdtempSync(join(tmpdir(), "graftc-mixed-"));

/** What it inserts for nodes in half precision when it loads a model has the names of last time. */
test("names that the optimizer gives itself", async () => {
  const path = join(folder, "model.onnx");
  const options = { graphOptimizationLevel: "basic", optimizedModelFilePath: path } as const;
  const bytes = bytesOf(await mixed({ softmax: half }));
  await (await ort.InferenceSession.create(bytes, options)).release();
  const text = `replace blocks[1].attn with halved
    operator halved for attn { return float(0.5 * softmax(float16(x))) }`;
  const { model } = await edit(path, text);
  await outputOf(model);
  const { difference } = distance(await outputOf(model), await outputOf(await reread(model)));
  expect(difference).toBe(0);
});
