/** Training graphs grown by hand, and run by ONNX Runtime. */
import * as ort from "onnxruntime-node";
import { differentiate } from "../../../passes/differentiate.ts";
import { gradientName } from "../../../passes/train/ports.ts";
import { verify } from "../../../passes/verify.ts";
import type { Model, Value } from "../../../src/ir/graph.ts";
import type { DType, TensorType } from "../../../src/ir/types.ts";
import { encodeModel } from "../../../src/onnx/encode-model.ts";
import { blankModel, declareOutput } from "../../../src/onnx-ops/blank-model.ts";
import { encodeElements } from "../../../src/onnx-ops/elements.ts";
import { Grower } from "../../../src/onnx-ops/grower.ts";
import { Patch } from "../../../src/onnx-ops/patch.ts";
import type { Wire } from "../../../src/onnx-ops/wire.ts";
import { halves } from "../../halves.ts";
import type { Numbers } from "../../lower/workbench.ts";

process.env.ORT_DISABLE_TELEMETRY = "1";

const opset = 20;

export type Feeds = ReadonlyMap<string, Numbers>;
export type GrowLoss = (wire: (name: string) => Wire) => Readonly<Record<string, Wire>>;

/** float32 inputs unless a name is among `others`. */
export function typesOf(
  tensors: Feeds,
  names: readonly string[],
  others: Readonly<Record<string, DType>> = {},
): Record<string, TensorType> {
  return Object.fromEntries(
    names.map((name) => [
      name,
      { dtype: others[name] ?? "float32", shape: tensors.get(name)!.shape },
    ]),
  );
}

/** A model of what `grow` returns, and, where that has a `loss`, its gradients. */
export function growModel(
  inputs: Readonly<Record<string, TensorType>>,
  grow: GrowLoss,
  wanted: readonly string[] = [],
): Model {
  const model = blankModel({
    path: "training.onnx",
    opset,
    irVersion: 9,
    producer: { name: "test", version: "" },
    inputs,
  });
  const patch = new Patch(model.graph, null, "");
  const grower = new Grower(patch, opset);
  const made = grow((name) => grower.wire(model.graph.values.get(name)!));
  patch.commit();
  const values = wanted.map((name) => model.graph.values.get(name)!);
  if (made.loss) addGradients(model, made.loss.value, values);
  for (const [name, { value, type }] of Object.entries(made)) {
    declareOutput(model, value, name, type);
  }
  verify(model);
  return model;
}

/** Weights that are fed from now on. */
export function toInputs({ graph }: Model, weights: readonly Value[]): void {
  graph.inputs.push(...weights);
  for (const value of weights) {
    graph.initializers.delete(value);
    value.initializer = null;
  }
}

/** Outputs `<name>.grad`. */
export function addGradients(model: Model, loss: Value, wanted: readonly Value[]): void {
  const patch = new Patch(model.graph, null, "backward");
  const grower = new Grower(patch, opset);
  const seeds = new Map([[loss, grower.scalar("float32", 1)]]);
  const gradients = differentiate(model.graph, grower, seeds, wanted);
  patch.commit();
  for (const [{ name }, gradient] of gradients) {
    declareOutput(model, gradient!.value, gradientName(name), gradient!.type);
  }
}

export interface Opened {
  run(feeds: Feeds): Promise<Map<string, Numbers>>;
  release(): Promise<void>;
}

export async function open(model: Model): Promise<Opened> {
  const session = await ort.InferenceSession.create(encodeModel(model, () => "inline").flatten(), {
    intraOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  const dtypes = new Map(model.graph.inputs.map(({ name, type }) => [name, type!.dtype]));
  return {
    async run(feeds) {
      const given = session.inputNames.map((name) => {
        return [name, tensorOf(dtypes.get(name)!, feeds.get(name)!)] as const;
      });
      const outputs = await session.run(Object.fromEntries(given));
      return new Map(
        Object.entries(outputs).map(([name, { dims, data }]) => [
          name,
          { shape: dims, data: data as Float32Array },
        ]),
      );
    },
    release: () => session.release(),
  };
}

function tensorOf(dtype: DType, { shape, data }: Numbers): ort.Tensor {
  if (dtype === "float32") return new ort.Tensor("float32", data, shape);
  const bytes = encodeElements(dtype, data);
  return dtype === "int64"
    ? new ort.Tensor(dtype, new BigInt64Array(bytes.buffer), shape)
    : halves(new Uint16Array(bytes.buffer), shape);
}

/** Runs a model once. */
export async function evaluate(model: Model, feeds: Feeds): Promise<Map<string, Numbers>> {
  const session = await open(model);
  const outputs = await session.run(feeds);
  await session.release();
  return outputs;
}

export const scalar = (value: number): Numbers => ({ shape: [], data: Float32Array.of(value) });
