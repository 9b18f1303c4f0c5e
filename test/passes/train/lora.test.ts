import { expect, test } from "vitest";
import { growAdapters, mergedWeight } from "../../../passes/train/lora.ts";
import { lossOf } from "../../../passes/train/losses.ts";
import { optimizerModel } from "../../../passes/train/optimizers.ts";
import type { Span } from "../../../src/diag/span.ts";
import { inMemory, materialize } from "../../../src/ir/bytes.ts";
import type { Value } from "../../../src/ir/graph.ts";
import { declareOutput } from "../../../src/onnx-ops/blank-model.ts";
import { decodeElements, encodeElements } from "../../../src/onnx-ops/elements.ts";
import { Grower } from "../../../src/onnx-ops/grower.ts";
import { Patch } from "../../../src/onnx-ops/patch.ts";
import type { Wire } from "../../../src/onnx-ops/wire.ts";
import { distance, type Numbers, readGolden } from "../../lower/workbench.ts";
import { rowOf, train, turned } from "./trajectories.ts";
import { addGradients, type Feeds, growModel, scalar, toInputs, typesOf } from "./workbench.ts";

const span: Span = { source: { path: "a.graft", text: "finetune { lora: 2 }" }, start: 0, end: 8 };

/** How exporters write x W^T + b; the weight is [out, in] where `turns` is false. */
const linears: Readonly<
  Record<string, readonly [turns: boolean, (x: Wire, w: Wire, b: Wire) => Wire]>
> = {
  "MatMul [in, out]": [true, (x, w, b) => x.matmul(w).add(b)],
  "MatMul of a Transpose": [false, (x, w, b) => x.matmul(w.transpose()).add(b)],
  "Gemm with transB": [
    false,
    (x, w, b) => x.grower.one("Gemm", [x, w, b], { attributes: { transB: 1 } }),
  ],
  "Gemm with transA": [
    true,
    (x, w, b) => x.grower.one("Gemm", [x.transpose(), w, b], { attributes: { transA: 1 } }),
  ],
};

test.each(Object.entries(linears))("20 steps of adapters beside %s", async (_, [turns, linear]) => {
  const { tensors, metadata } = readGolden("train_lora_adamw_l2");
  const first = (name: string) => rowOf(tensors.get(name)!, 0);
  const data = new Map([
    ["x", first("x")],
    ["target", first("target")],
  ]);
  const weightOf = (name: string) => {
    const given = tensors.get(`init.${name}`)!;
    return turns && given.shape.length === 2 ? turned(given) : given;
  };
  const model = growModel(typesOf(data, ["x", "target"]), (wire) => {
    const x = wire("x");
    const { grower } = x;
    const stored = (name: string) => {
      const { shape, data: values } = weightOf(name);
      const bytes = inMemory(encodeElements("float32", values));
      return grower.wire(grower.patch.weight(name, "float32", shape, bytes));
    };
    const layer = (input: Wire, name: string) =>
      linear(input, stored(`${name}.weight`), stored(`${name}.bias`));
    const attributes = { approximate: "tanh" };
    return { y: layer(grower.one("Gelu", [layer(x, "fc1")], { attributes }), "fc2") };
  });
  const { graph } = model;
  const patch = new Patch(graph, null, "");
  const grower = new Grower(patch, 20);
  const trained = ["fc1.weight", "fc1.bias"].map((name) => {
    return { name, value: graph.values.get(name)! };
  });
  const lora = { rank: 2, alpha: 4 };
  const [adapter, ...more] = growAdapters({ grower, trained, lora, seed: 7, span });
  patch.commit();
  expect(more).toEqual([]);
  const [y, target] = [graph.outputs[0]!, graph.inputs[1]!];
  const adapted = [adapter!.a, adapter!.b];
  const start = new Map(adapted.map(({ name }) => [name, tensors.get(`init.${name}`)!]));
  const parameters = adapted.map(({ name, type }) => {
    return { name, shape: type!.shape as number[], group: "all" };
  });
  toInputs(model, adapted);
  const behind = new Patch(graph, null, "");
  const wires = new Grower(behind, 20);
  const loss = lossOf({ kind: "l2" }, wires.wire(y), wires.wire(target));
  behind.commit();
  declareOutput(model, loss.value, "loss", loss.type);
  addGradients(model, loss.value, adapted);
  let last: Feeds = new Map();
  await train({
    training: model,
    optimizer: optimizerModel({
      parameters,
      optimizer: { kind: "adamw", beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0.01 },
      clip: 1,
      ema: true,
      norms: true,
      form: "rows",
      shapes: "own",
    }),
    start: new Map([...start, ["ema_decay", scalar(0.99)]]),
    steps: 20,
    batch: (step) =>
      new Map([
        ["x", rowOf(tensors.get("x")!, step)],
        ["target", rowOf(tensors.get("target")!, step)],
        ["learning_rate", rowOf(tensors.get("lr")!, step)],
      ]),
    after(_, values) {
      last = values;
    },
  });
  const [a, b] = adapted.map(({ name }) => last.get(name)!);
  const weight = weightOf("fc1.weight");
  const sum = Float32Array.from(mergedWeight(adapter!, weight.data, a!.data, b!.data));
  const merged: Numbers = { shape: weight.shape, data: sum };
  const compared: Record<string, Numbers> = {
    loss: last.get("loss")!,
    grad_norm: last.get("grad_norm")!,
    "merged.fc1.weight": turns ? turned(merged) : merged,
    ...Object.fromEntries(adapted.map(({ name }) => [`final.${name}`, last.get(name)!])),
  };
  for (const [name, got] of Object.entries(compared)) {
    const error = distance(got, tensors.get(name)!);
    expect(error, name).toBeLessThanOrEqual(Number(metadata.tolerance));
  }
});

test("adapters start inside their bound, by seed and name, and change nothing", () => {
  const starts = [1, 1, 2].map((seed) => {
    const { grower, weights } = blank();
    const trained = [{ name: "fc.weight", value: weights[0]! }];
    const lora = { rank: 64, alpha: 64 };
    const [adapter] = growAdapters({ grower, trained, lora, seed, span });
    return [adapter!.a, adapter!.b].map(({ initializer }) => {
      return decodeElements("float32", materialize(initializer!.data));
    });
  });
  expect(starts[0]).toEqual(starts[1]);
  expect(starts[0]).not.toEqual(starts[2]);
  const [a, b] = starts[0]!;
  expect(Math.max(...a!)).toBeLessThan(8 ** -0.5);
  expect(Math.min(...a!)).toBeGreaterThan(-(8 ** -0.5));
  expect(Math.max(...a!) - Math.min(...a!)).toBeGreaterThan(1.8 * 8 ** -0.5);
  expect(b!.every((value) => value === 0)).toBe(true);
});

test("weights that anything but products reads, or that are no matrices, get none", () => {
  const { grower, weights } = blank();
  const [fc, table, bias] = weights as [Value, Value, Value];
  const adapt = (...values: Value[]) =>
    growAdapters({
      grower,
      trained: values.map((value) => ({ name: value.name, value })),
      lora: { rank: 2, alpha: 2 },
      seed: 0,
      span,
    }).map(({ weight }) => weight);
  expect(() => adapt(table, bias)).toThrow(/nothing-to-adapt/);
  expect(adapt(fc, table, bias)).toEqual([fc]);
});

/** x W + bias, and a table that is looked up and multiplied with. */
function blank() {
  const inputs = {
    x: { dtype: "float32", shape: [2, 8] },
    ids: { dtype: "int64", shape: [2] },
  } as const;
  const zeros = (...shape: number[]) =>
    [shape, inMemory(new Uint8Array(4 * shape.reduce((a, b) => a * b)))] as const;
  const model = growModel(inputs, (wire) => {
    const x = wire("x");
    const { grower } = x;
    const weight = (name: string, ...shape: number[]) =>
      grower.wire(grower.patch.weight(name, "float32", ...zeros(...shape)));
    const table = weight("table.weight", 8, 8);
    const rows = grower.one("Gather", [table, wire("ids")], { attributes: { axis: 0 } });
    const y = x.matmul(weight("fc.weight", 8, 8)).add(weight("fc.bias", 8));
    return { y: y.add(x.matmul(table)).add(rows) };
  });
  const grower = new Grower(new Patch(model.graph, null, ""), 20);
  const weights = ["fc.weight", "table.weight", "fc.bias"].map((name) => {
    return model.graph.values.get(name)!;
  });
  return { grower, weights };
}
