/** Models of one node, differentiated by the rule of its operator and run by ONNX Runtime. */
import * as ort from "onnxruntime-node";
import { differentiate } from "../../passes/differentiate.ts";
import { inferTypes } from "../../passes/infer-types.ts";
import { verify } from "../../passes/verify.ts";
import { createOracle } from "../../runtime/index.ts";
import { inMemory } from "../../src/ir/bytes.ts";
import type { Model, Value } from "../../src/ir/graph.ts";
import { type Dim, type DType, dtypes, elements, type TensorType } from "../../src/ir/types.ts";
import { encodeModel } from "../../src/onnx/encode-model.ts";
import type { AttributeInput } from "../../src/onnx-ops/attributes.ts";
import { blankModel, declareOutput } from "../../src/onnx-ops/blank-model.ts";
import { encodeElements } from "../../src/onnx-ops/elements.ts";
import { Grower } from "../../src/onnx-ops/grower.ts";
import { Patch } from "../../src/onnx-ops/patch.ts";

process.env.ORT_DISABLE_TELEMETRY = "1";

const oracle = createOracle();
const producer = { name: "test", version: "" };

export interface Numbers {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: ArrayLike<number>;
}

/** An input of the node. Two of one name are one value. */
export interface Operand extends Numbers {
  readonly name: string;
  /** An initializer, and not an input of the model. */
  readonly stored?: boolean;
  /** What the model says of its sizes, where that is less than they are. */
  readonly declared?: readonly Dim[];
}

export interface OneNode {
  /** `MatMul`, or `com.microsoft::FastGelu`. */
  readonly op: string;
  readonly opset: number;
  readonly attributes: Readonly<Record<string, AttributeInput>>;
  /** null: left out. */
  readonly inputs: readonly (Operand | null)[];
  readonly outputs: number;
  /** Outputs that the loss does not depend on. */
  readonly unused?: readonly number[];
  /** Names of the inputs whose gradients are asked for. */
  readonly wanted: readonly string[];
}

type Level = "disabled" | "all";
export type Tensors = ReadonlyMap<string, Numbers>;

export interface Opened {
  /** Outputs by name: `y0`, ..., and `d.<input>` of the gradients. */
  run(feeds: Tensors): Promise<Tensors>;
  release(): Promise<void>;
}

/** y of the inputs. */
export async function openForward(node: OneNode): Promise<Opened> {
  const { model } = await grow(node, new Map());
  return open(model, "disabled");
}

/** y, and the gradients of sum(dy * y); `dy0`, ... are fed beside the inputs. */
export async function openBackward(node: OneNode, levels: readonly Level[]): Promise<Opened[]> {
  const { model, y, values } = await grow(node, await typesOf(node));
  const patch = new Patch(model.graph, null, "");
  const grower = new Grower(patch, node.opset);
  const input = (name: string) => model.graph.inputs.find((value) => value.name === name)!;
  const seeds = new Map(
    y.flatMap((value, i) => {
      const seeded = varies(value) && !node.unused?.includes(i);
      return seeded ? [[value, grower.wire(input(`dy${i}`))] as const] : [];
    }),
  );
  const wanted = node.wanted.map((name) => values.get(name)!);
  const gradients = differentiate(model.graph, grower, seeds, wanted);
  const named = wanted.map((value) => {
    const gradient = gradients.get(value) ?? grower.scalar("float32", 0);
    return [`d.${value.name}`, grower.one("Identity", [gradient])] as const;
  });
  patch.commit();
  for (const [name, { value, type }] of named) declareOutput(model, value, name, type);
  verify(model);
  return Promise.all(levels.map((level) => open(model, level)));
}

async function typesOf(node: OneNode): Promise<ReadonlyMap<string, TensorType>> {
  const { y } = await grow(node, new Map());
  return new Map(y.flatMap((v, i) => (varies(v) ? [[`dy${i}`, v.type!] as const] : [])));
}

const varies = ({ type }: Value) => dtypes[type!.dtype].float;

async function grow(node: OneNode, extra: ReadonlyMap<string, TensorType>) {
  const operands = new Map(node.inputs.flatMap((x) => (x ? [[x.name, x] as const] : [])));
  const fed = [...operands.values()].filter(({ stored }) => !stored);
  const blank = blankModel({
    path: "one-node.onnx",
    opset: node.opset,
    irVersion: 10,
    producer,
    inputs: {
      ...Object.fromEntries(
        fed.map(({ name, dtype, shape, declared }) => [name, { dtype, shape: declared ?? shape }]),
      ),
      ...Object.fromEntries(extra),
    },
  });
  const model: Model = { ...blank, opsets: new Map([...blank.opsets, ["com.microsoft", 1]]) };
  const patch = new Patch(model.graph, null, "");
  const values = new Map<string, Value>(model.graph.inputs.map((value) => [value.name, value]));
  for (const { name, dtype, shape, data, stored } of operands.values()) {
    if (!stored) continue;
    values.set(name, patch.weight(name, dtype, shape, inMemory(encodeElements(dtype, data))));
  }
  const [domain, opType] = node.op.includes("::") ? node.op.split("::") : ["", node.op];
  const y = patch.add(
    opType!,
    node.inputs.map((x) => x && values.get(x.name)!),
    { domain: domain!, attributes: node.attributes, outputs: node.outputs },
  );
  patch.commit();
  await inferTypes(model, oracle);
  y.forEach((value, i) => {
    declareOutput(model, value, `y${i}`, value.type!);
  });
  return { model, y, values };
}

async function open(model: Model, level: Level): Promise<Opened> {
  const session = await ort.InferenceSession.create(encodeModel(model, () => "inline").flatten(), {
    graphOptimizationLevel: level,
    intraOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  return {
    async run(feeds) {
      const given = session.inputNames.map((name) => [name, tensorOf(feeds.get(name)!)] as const);
      const outputs = await session.run(Object.fromEntries(given));
      return new Map(Object.entries(outputs).map(([name, y]) => [name, numbersOf(y)]));
    },
    release: () => session.release(),
  };
}

const arrays = {
  float32: Float32Array,
  float64: Float64Array,
  int64: BigInt64Array,
  int32: Int32Array,
  bool: Uint8Array,
} as Partial<Record<DType, new (buffer: ArrayBufferLike) => unknown>>;

function tensorOf({ dtype, shape, data }: Numbers): ort.Tensor {
  const bytes = encodeElements(dtype, data);
  return new ort.Tensor(dtype as never, new arrays[dtype]!(bytes.buffer) as never, shape);
}

function numbersOf({ type, dims, data }: ort.OnnxValue & ort.Tensor): Numbers {
  return { dtype: type as DType, shape: dims, data: Array.from(data as never, Number) };
}

/** max|got - want| / max|want|, as the goldens' tolerances are meant; for want = 0, max|got|. */
export function distance(got: Numbers, want: Numbers): number {
  if (elements(got.shape) === 1 && got.data[0] === 0) return peak(want.data) === 0 ? 0 : 1;
  if (got.shape.join() !== want.shape.join()) throw new Error(`${got.shape} is not ${want.shape}`);
  const error = peak(Array.from(want.data, (value, i) => got.data[i]! - value));
  return Number.isNaN(error) ? Number.POSITIVE_INFINITY : error / (peak(want.data) || 1);
}

function peak(values: ArrayLike<number>): number {
  return Array.from(values).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}
