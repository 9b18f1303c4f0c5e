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
import { opNames, type Schema, schemaOf } from "../onnx-ops/schemas.ts";
import { nodeValue, operandOf, wire } from "./grow.ts";
import { library } from "./library.ts";
import { attributeOf } from "./onnx-attributes.ts";
import { inputTensors } from "./onnx-inputs.ts";
import type { Argument } from "./params.ts";
import type { Ground } from "./placement.ts";
import { type Known, list, type Tensor, type Val } from "./values.ts";

/** Library forms whose name is not the operator's in lower case. */
const libraryForms: Readonly<Record<string, string>> = {
  Swish: "silu(...)",
  LayerNormalization: "a `layer_norm` layer",
  RMSNormalization: "an `rms_norm` layer",
};

/** What gives other values each time is not computed at compile time. */
const random = new Set(
  "Bernoulli Multinomial RandomNormal RandomNormalLike RandomUniform RandomUniformLike".split(" "),
);

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
  if (callee.domain !== "" && !ground.model.opsets.has(callee.domain)) {
    throw fail(
      "domain-not-imported",
      { domain: callee.domain },
      {
        hint: "standard operators run everywhere",
      },
    );
  }
  const { inputs, attributes } = sortArguments(ground, callee.name, schema, args);
  const sketch: NodeSketch = {
    opType: callee.name,
    domain: callee.domain,
    attributes: attributesOf(attributes),
    opsets: ground.model.opsets,
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
  const snake = op.replace(/(?<=[a-z])([A-Z])/g, "_$1").toLowerCase();
  const form = libraryForms[op] ?? (library.has(snake) ? `\`${snake}(...)\`` : undefined);
  if (found.introduced !== null) {
    const hint = form ? `the library has ${form} for every opset` : null;
    throw fail("operator-above-opset", { op, since: found.introduced, opset }, { hint });
  }
  if (opNames().includes(op)) throw fail("operator-withdrawn", { op, opset });
  const close = nearest(op, opNames());
  const hint = close ? `did you mean \`${close}\`?` : form ? `the library has ${form}` : null;
  throw fail("unknown-onnx-operator", { op }, { hint });
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
  if (types?.length === sketch.outputs) return types;
  const given = inputs.map((input) => input && { dtype: input.dtype, shape: input.shape });
  return asked(sketch, () => ground.oracle.inferNode(sketch, given));
}

async function evaluated(
  { oracle }: Ground,
  sketch: NodeSketch,
  inputs: readonly (Known | null)[],
): Promise<Known[]> {
  const stored = inputs.map((input) => input && initializerOf(input));
  const results = await asked(sketch, () => oracle.evaluateNode(sketch, stored));
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
async function asked<T>(sketch: NodeSketch, question: () => Promise<T>): Promise<T> {
  try {
    return await question();
  } catch (cause) {
    if (cause instanceof GraftError || !(cause instanceof Error)) throw cause;
    const reason = cause.message.trim().replace(/\.$/, "");
    throw fail("operator-refused", { op: sketch.opType, reason });
  }
}

/** Sizes that the oracle made up mean nothing outside of its answer. */
function renamed(type: TensorType): TensorType {
  const shape = type.shape?.map((dim) =>
    typeof dim === "string" && dim.includes("?") ? null : dim,
  );
  return { dtype: type.dtype, shape: shape ?? null };
}
