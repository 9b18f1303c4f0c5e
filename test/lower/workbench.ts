/** Operators grown in a host of one node, and run by ONNX Runtime. */
import { readFileSync } from "node:fs";
import * as ort from "onnxruntime-node";
import { parse } from "../../grammar/index.ts";
import { createOracle } from "../../runtime/index.ts";
import type { OtherHost, Part } from "../../src/anatomy/anatomy.ts";
import { GraftError, Reporter } from "../../src/diag/diagnostic.ts";
import { builtins } from "../../src/grafts.ts";
import type { Model, Value } from "../../src/ir/graph.ts";
import type { Dim, DType } from "../../src/ir/types.ts";
import { type PlacedWeight, placeOperator } from "../../src/lower/index.ts";
import { encodeModel } from "../../src/onnx/encode-model.ts";
import { blankModel, declareOutput } from "../../src/onnx-ops/blank-model.ts";
import { float16Bits, float16Value } from "../../src/onnx-ops/elements.ts";
import { Patch } from "../../src/onnx-ops/patch.ts";
import type { ArgValue, OperatorScope } from "../../src/plan/plan.ts";
import { bitsOf, halves } from "../halves.ts";

process.env.ORT_DISABLE_TELEMETRY = "1";

const oracle = createOracle();

/** What stood in the place: nothing that is known. */
const nothing: OtherHost = {
  kind: "other",
  what: "nothing",
  mixesTokens: true,
  linears: [],
  opaque: "there is nothing here",
};

export interface HostShape {
  readonly shape: readonly Dim[];
  readonly dtype?: DType;
  readonly opset?: number;
  readonly heads?: number | null;
  readonly grid?: readonly [Dim, Dim];
  readonly seed?: number;
  readonly args?: Readonly<Record<string, ArgValue>>;
}

export interface Grown {
  readonly model: Model;
  readonly weights: readonly PlacedWeight[];
  readonly reporter: Reporter;
}

/** The operators of a text, the built-in ones behind them. */
export function scopeOf(text: string): OperatorScope {
  const { file, diagnostics } = parse({ path: "test.graft", text });
  if (diagnostics.length > 0) throw new GraftError(diagnostics);
  const own = new Map(
    file.statements.flatMap((s) => (s.kind === "operator" ? [[s.name.name, s] as const] : [])),
  );
  const scope: OperatorScope = {
    operators: {
      get: (name) => own.get(name) ?? builtins.operators.get(name),
      has: (name) => own.has(name) || builtins.operators.has(name),
      keys: () => new Set([...own.keys(), ...builtins.operators.keys()]).values(),
    },
    params: new Map(),
    scopeOf: (operator) =>
      [...own.values()].includes(operator) ? scope : builtins.scopeOf(operator),
  };
  return scope;
}

/**
 * x -> Identity -> y, with an operator in the place of the Identity.
 * @param operator a built-in one's name, or the text of operators, of which the last is placed.
 */
export async function grow(operator: string, host: HostShape): Promise<Grown> {
  const text = operator.includes("operator") ? operator : "";
  const scope = text ? scopeOf(text) : builtins;
  const name = text ? [...text.matchAll(/operator (\w+)/g)].at(-1)![1]! : operator;
  const { shape, dtype = "float32", opset = 20 } = host;
  const type = { dtype, shape };
  const model = blankModel({
    path: "host.onnx",
    opset,
    irVersion: opset > 20 ? 10 : 8,
    producer: { name: "test", version: "" },
    inputs: { x: type },
  });
  const [x] = model.graph.inputs as [Value];
  const before = new Patch(model.graph, null, "");
  const old = before.one("Identity", [x], { types: [type] });
  before.commit();
  declareOutput(model, old, "y", type);
  const part: Part = {
    name: "attn",
    scope: "blocks.0.attn",
    nodes: new Set([old.producer!]),
    x,
    context: null,
    contextOrder: "B,N,D",
    joined: null,
    keeps: null,
    outputs: [old],
    host: nothing,
  };
  const reporter = new Reporter();
  const patch = new Patch(
    model.graph,
    { edit: "test.graft:1", site: "blocks[0].attn", operator: name },
    "blocks.0.attn",
  );
  const stack = {
    name: "blocks",
    width: Number(shape[2]),
    tokens: shape[1]!,
    heads: host.heads ?? null,
    order: "B,N,D" as const,
    grid: host.grid ?? null,
    blocks: [],
  };
  const block = {
    index: 0,
    scope: "blocks.0",
    input: x,
    output: old,
    context: null,
    parts: new Map([["attn", part]]),
    nodes: part.nodes,
    style: "pre-norm",
  } as never;
  const placed = await placeOperator({
    model,
    patch,
    site: { label: "blocks[0].attn", stack, block, part },
    operator: scope.operators.get(name)!,
    scope: text ? scope : builtins.scopeOf(builtins.operators.get(name)!),
    args: new Map(Object.entries(host.args ?? {})),
    inherit: true,
    seed: host.seed ?? 0,
    oracle,
    reporter,
  });
  patch.shunt(old, placed.outputs[0]!);
  patch.commit();
  return { model, weights: placed.weights, reporter };
}

export function encode(model: Model): Uint8Array {
  return encodeModel(model, () => "inline").flatten();
}

export interface Numbers {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** y of x, in float32 whatever the model computes in. */
export async function evaluate(
  model: Model,
  x: Numbers,
  level: "disabled" | "all" = "all",
): Promise<Numbers> {
  const session = await ort.InferenceSession.create(encode(model), {
    graphOptimizationLevel: level,
    intraOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  const half = model.graph.inputs[0]!.type!.dtype === "float16";
  const feed = half
    ? halves(Uint16Array.from(x.data, float16Bits), x.shape)
    : new ort.Tensor("float32", x.data, x.shape);
  const { y } = await session.run({ x: feed });
  const data = half ? Float32Array.from(bitsOf(y!), float16Value) : y!.data;
  await session.release();
  return { shape: y!.dims, data: data as Float32Array };
}

/** Gives the weights other values, found by what their stored names end in. */
export function load(grown: Grown, values: ReadonlyMap<string, Numbers>): void {
  for (const { name, value, layout } of grown.weights) {
    const given = values.get(name.replace("blocks.0.attn.", ""));
    if (!given) throw new Error(`nothing to load into ${name}`);
    const { dtype, shape } = value.initializer!;
    const wanted = layout === "in,out" ? given.shape.toReversed() : given.shape;
    if (wanted.join() !== shape.join()) throw new Error(`${name} is ${shape}, not ${wanted}`);
    const data = layout === "in,out" ? turned(given) : given.data;
    const words = dtype === "float16" ? Uint16Array.from(data, float16Bits) : data;
    const bytes = new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
    value.initializer = { ...value.initializer!, data: { kind: "memory", data: bytes } };
  }
}

function turned({ shape, data }: Numbers): Float32Array {
  const [rows, columns] = shape as [number, number];
  return data.map((_, i) => data[(i % rows) * columns + Math.floor(i / rows)]!);
}

export interface Golden {
  readonly tensors: ReadonlyMap<string, Numbers>;
  readonly metadata: Readonly<Record<string, string>>;
}

export function readGolden(name: string): Golden {
  const bytes = readFileSync(`test/fixtures/goldens/${name}.safetensors`);
  const length = Number(bytes.readBigUInt64LE(0));
  const { __metadata__: metadata, ...entries } = JSON.parse(bytes.toString("utf8", 8, 8 + length));
  const tensors = new Map<string, Numbers>();
  for (const [key, { shape, data_offsets: offsets, dtype }] of Object.entries<{
    shape: number[];
    data_offsets: [number, number];
    dtype: string;
  }>(entries)) {
    const { buffer } = Uint8Array.from(
      bytes.subarray(8 + length + offsets[0], 8 + length + offsets[1]),
    );
    if (dtype === "F32") tensors.set(key, { shape, data: new Float32Array(buffer) });
    if (dtype === "I64") {
      const data = Float32Array.from(new BigInt64Array(buffer), Number);
      tensors.set(key, { shape, data });
    }
  }
  return { tensors, metadata };
}

/** max|got - want| / max|want|, as the goldens' tolerances are meant. */
export function distance(got: Numbers, want: Numbers): number {
  if (got.shape.join() !== want.shape.join()) throw new Error(`${got.shape} is not ${want.shape}`);
  let [error, size] = [0, 0];
  want.data.forEach((value, i) => {
    error = Math.max(error, Math.abs(got.data[i]! - value));
    size = Math.max(size, Math.abs(value));
  });
  return Number.isNaN(error) ? Number.POSITIVE_INFINITY : error / size;
}
