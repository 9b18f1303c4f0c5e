import * as ort from "onnxruntime-node";
import { expect, test } from "vitest";
import { differentiate } from "../../passes/differentiate.ts";
import { verify } from "../../passes/verify.ts";
import { randomFor } from "../../runtime/verify/random.ts";
import { materialize } from "../../src/ir/bytes.ts";
import type { Model, Value } from "../../src/ir/graph.ts";
import { dtypes, elements } from "../../src/ir/types.ts";
import { declareOutput } from "../../src/onnx-ops/blank-model.ts";
import { decodeElements } from "../../src/onnx-ops/elements.ts";
import { Grower } from "../../src/onnx-ops/grower.ts";
import { Patch } from "../../src/onnx-ops/patch.ts";
import { bytesOf, exports, fixture, read, recorded, type Tensors } from "./workbench.ts";

/** Half precision is trained in float32, older models are raised first; one lies outside its file. */
const trained = exports.filter((name) => !/ts17|fp16|external/.test(name));

interface Weight {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** The weights become inputs, so that one session serves for every value of them. */
function freed(model: Model, values: readonly Value[]): Weight[] {
  return values.map((value) => {
    const { dtype, shape, data } = value.initializer!;
    value.initializer = null;
    model.graph.initializers.delete(value);
    value.declared = true;
    model.graph.inputs.push(value);
    const numbers = decodeElements(dtype, materialize(data));
    return { name: value.name, shape, data: Float32Array.from(numbers) };
  });
}

function weightsOf({ graph }: Model): Value[] {
  const values = [...graph.values.values()];
  return values.filter(({ initializer }) => {
    return initializer && dtypes[initializer.dtype].float && initializer.shape.length > 0;
  });
}

/** The gradients of the mean of (y - target)^2 beside the model, named `d.<weight>`. */
async function withGradients(path: string, target: Weight) {
  const model = await read(path);
  const patch = new Patch(model.graph, null, "");
  const grower = new Grower(patch, model.opsets.get("")!);
  const y = model.graph.outputs[0]!;
  const wanted = weightsOf(model);
  const wanting = grower.wire(y).sub(grower.constant("float32", target.shape, target.data));
  const seeds = new Map([[y, wanting.mul(2 / target.data.length)]]);
  const gradients = differentiate(model.graph, grower, seeds, wanted);
  patch.commit();
  const reached = wanted.filter((value) => gradients.get(value));
  for (const value of reached) {
    const gradient = gradients.get(value)!;
    declareOutput(model, gradient.value, `d.${value.name}`, gradient.type);
  }
  verify(model);
  const weights = freed(model, reached);
  return { bytes: bytesOf({ ...model, opsets: withContrib(model) }), weights, output: y.name };
}

const withContrib = ({ opsets }: Model) => new Map([...opsets, ["com.microsoft", 1]]);

const session = (bytes: Uint8Array) =>
  ort.InferenceSession.create(bytes, { intraOpNumThreads: 1, logSeverityLevel: 3 });

async function forwardOf(path: string, weights: readonly Weight[]) {
  const model = await read(path);
  freed(
    model,
    weights.map(({ name }) => model.graph.values.get(name)!),
  );
  return session(bytesOf(model));
}

function tensorOf({ shape, data }: Weight): ort.Tensor {
  return new ort.Tensor("float32", data, shape);
}

const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, x, i) => sum + x * b[i]!, 0);
const rms = (a: Float32Array) => Math.sqrt(dot(a, a) / a.length);

/**
 * Each weight is moved along a random direction, by so little that the loss changes by a few
 * thousandths and the weight by a tenth (a bias by a twentieth of what it is added to): central
 * differences with h = 1 and 1/2, extrapolated to O(h^4). What float32 leaves of the loss itself, some
 * 2e-7, drowns the smallest gradients (of a key's bias it is 0): those are counted. Where the slope
 * bends sooner, as of frequencies that times up to 1000 are multiplied by, a fifth of it is tried.
 */
test.each(trained)("%s: the gradients of its weights are the slopes of its loss", async (name) => {
  const { feeds, outputs } = recorded(name);
  const random = randomFor(0, name);
  const drawn = (n: number, size: number) =>
    Float32Array.from({ length: n }, () => size * random.normal());
  const { dims: shape, data: y } = Object.values(outputs)[0]!;
  const target = { name: "target", shape, data: drawn(elements(shape), rms(y as Float32Array)) };
  const backward = await withGradients(fixture(name), target);
  // Zeros at the start (adaLN-zero) would hide all that lies behind them.
  const weights = backward.weights.map((weight) => {
    return rms(weight.data) > 0 ? weight : { ...weight, data: drawn(weight.data.length, 0.1) };
  });
  const fed: Tensors = Object.fromEntries(weights.map((w) => [w.name, tensorOf(w)]));
  const running = await session(backward.bytes);
  const gradients = (await running.run({ ...feeds, ...fed })) as Tensors;
  await running.release();

  const forward = await forwardOf(fixture(name), weights);
  const lossAt = async (moved: Weight) => {
    const ran = await forward.run({ ...feeds, ...fed, [moved.name]: tensorOf(moved) });
    const y = ran[backward.output]!.data as Float32Array;
    const far = y.map((value, i) => value - target.data[i]!);
    return dot(far, far) / far.length;
  };
  const unseen: string[] = [];
  for (const weight of weights) {
    const gradient = gradients[`d.${weight.name}`]!.data as Float32Array;
    const size = Math.sqrt(dot(gradient, gradient));
    const loss = await lossAt(weight);
    const room = 0.1 * Math.max(rms(weight.data), weight.shape.length === 1 ? 0.5 : 0);
    const far = Math.min((0.002 * loss) / size, room);
    const noise = 4e-7 * loss;
    const missed = async (far: number) => {
      const direction = drawn(weight.data.length, far);
      const along = (h: number) =>
        lossAt({ ...weight, data: weight.data.map((x, i) => x + h * direction[i]!) });
      const slope = async (h: number) => ((await along(h)) - (await along(-h))) / (2 * h);
      const truth = (4 * (await slope(0.5)) - (await slope(1))) / 3;
      const error = Math.abs(truth - dot(gradient, direction));
      return error / Math.max(2e-3 * size * far, noise);
    };
    if (2e-3 * size * far < noise) unseen.push(weight.name);
    const miss = await missed(far);
    expect(miss < 1 ? miss : await missed(far / 5), weight.name).toBeLessThan(1);
  }
  await forward.release();
  expect(unseen.length).toBeLessThan(weights.length / 3);
});
