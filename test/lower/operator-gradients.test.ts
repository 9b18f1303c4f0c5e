import * as ort from "onnxruntime-node";
import { expect, test } from "vitest";
import { differentiate } from "../../passes/differentiate.ts";
import { inferTypes } from "../../passes/infer-types.ts";
import { createOracle } from "../../runtime/index.ts";
import { defineValue } from "../../src/ir/edit.ts";
import { Value } from "../../src/ir/graph.ts";
import { declareOutput } from "../../src/onnx-ops/blank-model.ts";
import { Grower } from "../../src/onnx-ops/grower.ts";
import { Patch } from "../../src/onnx-ops/patch.ts";
import { operators, tied } from "./golden-operators.ts";
import { distance, encode, type Grown, grow, load, readGolden } from "./workbench.ts";

const oracle = createOracle();

/** Beside y: the gradients of sum(dy * y), `d.x` and `d.<weight>` by their values' names. */
async function addGradients({ model, weights }: Grown, opset: number): Promise<Uint8Array> {
  await inferTypes(model, oracle);
  const { graph } = model;
  const [x, y] = [graph.inputs[0]!, graph.outputs[0]!];
  const dy = new Value("dy", y.type);
  dy.declared = true;
  defineValue(graph, dy);
  graph.inputs.push(dy);
  const patch = new Patch(graph, null, "");
  const grower = new Grower(patch, opset);
  const wanted = [x, ...weights.map(({ value }) => value)];
  const gradients = differentiate(graph, grower, new Map([[y, grower.wire(dy)]]), wanted);
  patch.commit();
  for (const value of wanted) {
    const gradient = gradients.get(value)!;
    declareOutput(model, gradient.value, `d.${value.name}`, gradient.type);
  }
  return encode({ ...model, opsets: new Map([...model.opsets, ["com.microsoft", 1]]) });
}

/** [out, in] of a matrix that is stored as [in, out]. */
function turned({ dims, data }: ort.Tensor) {
  const [rows, columns] = dims as [number, number];
  const numbers = data as Float32Array;
  const at = (i: number) => numbers[(i % rows) * columns + Math.floor(i / rows)]!;
  return { shape: [columns, rows], data: numbers.map((_, i) => at(i)) };
}

test.each(
  Object.entries(operators).flatMap(([golden, [name, args]]) => [
    { golden, name, args, opset: 20, dynamic: true },
    { golden, name, args, opset: 18, dynamic: false },
  ]),
)("$golden $opset $dynamic: gradients are PyTorch's", async (variant) => {
  const { golden, name, args, opset, dynamic } = variant;
  const { tensors, metadata } = readGolden(`op_${golden}_b`);
  const { shape, data } = tensors.get("x")!;
  const free = ["batch", tied.has(golden) ? shape[1]! : "tokens", shape[2]!];
  const host = { shape: dynamic ? free : shape, opset, heads: 3, args };
  const grown = await grow(name, host);
  load(grown, tensors);
  const session = await ort.InferenceSession.create(await addGradients(grown, opset), {
    intraOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  const dy = new ort.Tensor("float32", tensors.get("dy")!.data, shape);
  const got = await session.run({ x: new ort.Tensor("float32", data, shape), dy });
  await session.release();
  const tolerance = Number(metadata.tolerance);
  const numbers = ({ dims, data }: ort.Tensor) => ({ shape: dims, data: data as Float32Array });
  expect(distance(numbers(got["d.x"]!), tensors.get("dx")!)).toBeLessThanOrEqual(tolerance);
  for (const { name: stored, value, layout } of grown.weights) {
    const gradient = got[`d.${value.name}`]!;
    const want = tensors.get(stored.replace("blocks.0.attn.", "d."))!;
    const error = distance(layout === "in,out" ? turned(gradient) : numbers(gradient), want);
    expect(error, stored).toBeLessThanOrEqual(tolerance);
  }
});
