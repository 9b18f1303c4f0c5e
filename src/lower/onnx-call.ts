/** ONNX operators written literally: `Softmax(s, axis: -1)`, `com.microsoft::FastGelu(x)`. */
import type * as ast from "../../grammar/ast.ts";
import { fail, GraftError } from "../diag/diagnostic.ts";
import { nearest } from "../diag/suggest.ts";
import { inMemory, materialize } from "../ir/bytes.ts";
import type { Initializer } from "../ir/graph.ts";
import type { NodeSketch } from "../ir/oracle.ts";
import type { TensorType } from "../ir/types.ts";
import { type AttributeInput, attributesOf } from "../onnx-ops/attributes.ts";
import { decodeElements, encodeElements } from "../onnx-ops/elements.ts";
import { ops } from "../onnx-ops/index.ts";
import { readerOf } from "../onnx-ops/op.ts";
import { random } from "../onnx-ops/random.ts";
import { isOp, opNames, type Schema, schemaOf } from "../onnx-ops/schemas.ts";
import { nodeValue, operandOf, wire } from "./grow.ts";
import { library } from "./library.ts";
import { attributeOf } from "./onnx-attributes.ts";
import { inputTensors } from "./onnx-inputs.ts";
import type { Argument } from "./params.ts";
import type { Ground } from "./placement.ts";
import { type Known, list, show, type Tensor, type Val } from "./values.ts";

/** Library forms whose name is not the operator's in lower case. */
const libraryForms: Readonly<Record<string, string>> = {
  Swish: "silu(...)",
  LayerNormalization: "a `layer_norm` layer",
  RMSNormalization: "an `rms_norm` layer",
};

/** Operators that ONNX Runtime has of its own. */
const runtimeDomain = "com.microsoft";

/**
 * One node; what depends on no tensor input is computed now.
 * @param wanted how many outputs the author takes; 1 means what the operator always gives.
 */
export async function callOnnx(
  ground: Ground,
  callee: ast.NameExpr,
  args: readonly Argument[],
  wanted: number,
): Promise<Val> {
  const schema = callee.domain === "" ? schemaNamed(ground, callee.name) : null;
  const { opsets } = ground.model;
  if (!opsets.has(callee.domain) && callee.domain !== runtimeDomain) {
    const hint = `those of \`${runtimeDomain}\` may be used in any model`;
    throw fail("domain-not-imported", { domain: callee.domain }, { hint });
  }
  const { inputs, attributes } = sortArguments(ground, callee.name, schema, args);
  const sketch: NodeSketch = {
    opType: callee.name,
    domain: callee.domain,
    attributes: attributesOf(attributes),
    opsets: opsets.has(callee.domain) ? opsets : new Map([...opsets, [callee.domain, 1]]),
    outputs: outputCount(callee.name, schema, inputs, attributes, wanted),
  };
  const constant = inputs.every((input) => input === null || input.kind === "known");
  if (constant && schema && !random.has(callee.name)) {
    return oneOrList(await evaluated(ground, sketch, inputs as (Known | null)[]));
  }
  const types = await typesOf(ground, sketch, inputs);
  const values = ground.patch.add(
    callee.name,
    inputs.map((input) => input && nodeValue(ground, input)),
    { attributes, domain: callee.domain, outputs: sketch.outputs },
  );
  return oneOrList(values.map((value, i) => wire(ground, value, renamed(types[i]!))));
}

function oneOrList(tensors: readonly Tensor[]): Val {
  return tensors.length === 1 ? tensors[0]! : list(tensors);
}

/** @throws GraftError where the model's opset has no such operator. */
function schemaNamed({ opset }: Ground, op: string): Schema {
  const found = schemaOf(op, opset);
  if (found.schema) return found.schema;
  const snake = snakeOf(op);
  const form = libraryForms[op] ?? (library.has(snake) ? `\`${snake}(...)\`` : undefined);
  if (found.introduced !== null) {
    const hint = form ? `the library has ${form} for every opset` : null;
    throw fail("operator-above-opset", { op, since: found.introduced, opset }, { hint });
  }
  if (isOp(op)) throw fail("operator-withdrawn", { op, opset });
  const close = nearest(op, opNames());
  const hint = close ? `did you mean \`${close}\`?` : form ? `the library has ${form}` : null;
  throw fail("unknown-onnx-operator", { op }, { hint });
}

export function snakeOf(name: string): string {
  return name.replace(/(?<=[a-z])([A-Z])/g, "_$1").toLowerCase();
}

interface Sorted {
  readonly inputs: readonly (Tensor | null)[];
  readonly attributes: Readonly<Record<string, AttributeInput>>;
}

/** Arguments without a name are inputs; a name is an attribute's, or an input's. */
function sortArguments(
  ground: Ground,
  op: string,
  schema: Schema | null,
  args: readonly Argument[],
): Sorted {
  const values: Argument[] = args.filter(({ name }) => name === null);
  const attributes: Record<string, AttributeInput> = {};
  for (const arg of args) {
    if (arg.name === null) continue;
    const port = schema?.inputs.findIndex(({ name }) => name === arg.name) ?? -1;
    if (port >= 0 && !schema?.attributes.has(arg.name)) {
      for (let i = values.length; i < port; i++) values.push({ ...arg, name: null, value: null });
      if (values[port])
        throw fail("argument-twice", { name: op, argument: arg.name }, { at: arg.span });
      values[port] = arg;
    } else attributes[arg.name] = attributeOf(ground, op, schema, arg);
  }
  for (const [name, { required }] of schema?.attributes ?? []) {
    if (required && !(name in attributes)) throw fail("missing-attribute", { op, attribute: name });
  }
  return { inputs: inputTensors(ground, op, schema, values), attributes };
}

function outputCount(
  op: string,
  schema: Schema | null,
  inputs: readonly (Tensor | null)[],
  attributes: Sorted["attributes"],
  wanted: number,
): number {
  if (!schema) return wanted;
  const always = schema.outputs.filter(({ arity }) => arity === "one").length;
  const many = schema.outputs.some(({ arity }) => arity === "many");
  if (many) {
    const parts = attributes.num_outputs ?? inputs[1]?.shape[0];
    return wanted > 1 ? wanted : typeof parts === "number" ? parts : 1;
  }
  if (wanted > schema.outputs.length) {
    const given = `${schema.outputs.length} value${schema.outputs.length === 1 ? "" : "s"}`;
    throw fail("wrong-outputs", { op, wanted: given, count: wanted });
  }
  return Math.max(wanted, always);
}

async function typesOf(
  ground: Ground,
  sketch: NodeSketch,
  inputs: readonly (Tensor | null)[],
): Promise<readonly TensorType[]> {
  const literal = sketch.domain === "" ? ops.get(sketch.opType) : undefined;
  const types = literal?.infer?.({
    inputs: inputs.map((input) => input && operandOf(input)),
    attributes: readerOf(sketch.attributes),
    opset: ground.opset,
    outputs: sketch.outputs,
  });
  // The rules of src/onnx-ops say what is made of operands that fit; whether these do, the runtime.
  const answer = await asked(sketch, inputs, () =>
    ground.oracle.inferNode(sketch, inputs.map(seen)),
  );
  return types?.length === sketch.outputs ? types : answer;
}

/** What the runtime is told of an input. Sizes computed from others are left to it. */
function seen(input: Tensor | null): TensorType | Initializer | null {
  if (!input) return null;
  if (input.kind === "known" && input.data.length <= mostTold) return initializerOf(input);
  const shape = input.shape.map((dim) => (/^[^\W\d]\w*$/.test(String(dim)) ? dim : Number(dim)));
  return {
    dtype: input.dtype,
    shape: shape.map((dim) => (Number.isNaN(dim) ? null : dim)),
  };
}

/** Elements of bounds, axes and shapes, which decide what an operator gives. */
const mostTold = 64;

async function evaluated(
  { oracle }: Ground,
  sketch: NodeSketch,
  inputs: readonly (Known | null)[],
): Promise<Known[]> {
  const stored = inputs.map((input) => input && initializerOf(input));
  const results = await asked(sketch, inputs, () => oracle.evaluateNode(sketch, stored));
  return results.map(({ dtype, shape, data }) => ({
    kind: "known",
    dtype,
    shape,
    data: decodeElements(dtype, materialize(data)),
  }));
}

function initializerOf({ dtype, shape, data }: Known): Initializer {
  const bytes = inMemory(encodeElements(dtype, data));
  return { dtype, shape, data: bytes, origin: null, metadata: new Map() };
}

/** The runtime's refusal is the author's mistake. */
async function asked<T>(
  sketch: NodeSketch,
  inputs: readonly (Tensor | null)[],
  question: () => Promise<T>,
): Promise<T> {
  try {
    return await question();
  } catch (cause) {
    if (cause instanceof GraftError || !(cause instanceof Error)) throw cause;
    const types = inputs.map(show).join(" and ") || "this";
    throw fail("operator-refused", { op: sketch.opType, types }, { notes: [reasonIn(cause)] });
  }
}

/** The runtime's words without the name of the node, which is none of the author's. */
function reasonIn({ message }: Error): string {
  const reason = message.trim().replace(/^Node \(.*?\) Op \(.*?\) (\[\w+\] ?)?/, "");
  return `ONNX Runtime says: ${reason.replace(/\.$/, "")}`;
}

/** Sizes that the oracle made up mean nothing outside of its answer. */
function renamed(type: TensorType): TensorType {
  const shape = type.shape?.map((dim) =>
    typeof dim === "string" && dim.includes("?") ? null : dim,
  );
  return { dtype: type.dtype, shape: shape ?? null };
}
