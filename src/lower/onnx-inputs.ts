/** Inputs of ONNX operators: numbers and lists take the types that the schema and tensors give. */
import { fail } from "../diag/diagnostic.ts";
import { type DType, dtypes } from "../ir/types.ts";
import type { Port, Schema } from "../onnx-ops/schemas.ts";
import { known } from "./arrays.ts";
import { cast, isStrong, sizesTensor, tensorOf } from "./grow.ts";
import { type Argument, extentsOf } from "./params.ts";
import type { Ground } from "./placement.ts";
import { isOperand, kindOf, type List, show, type Tensor, type Val } from "./values.ts";

/** @throws GraftError for inputs that are too many, missing, or nothing that a tensor is made of. */
export function inputTensors(
  ground: Ground,
  op: string,
  schema: Schema | null,
  args: readonly Argument[],
): (Tensor | null)[] {
  const inputs = trimmed(args);
  if (schema) checkCount(op, schema, inputs);
  const types = schema ? variablesOf(ground, schema, inputs) : new Map<string, DType>();
  return inputs.map(({ value, span }, i) => {
    if (value === null) return null;
    const port = schema && portOf(schema, i);
    const dtype = port ? (types.get(port.type) ?? directType(port)) : undefined;
    const tensor = toTensor(ground, value, dtype ?? ground.dtype);
    if (tensor) return tensor;
    const what = `Input ${i + 1} of \`${op}\``;
    throw fail("wrong-value", { what, wanted: "a tensor", got: show(value) }, { at: span });
  });
}

function trimmed(args: readonly Argument[]): readonly Argument[] {
  return args.slice(0, args.findLastIndex(({ value }) => value !== null) + 1);
}

function checkCount(op: string, schema: Schema, inputs: readonly Argument[]): void {
  const { length } = schema.inputs;
  const needed = schema.inputs.filter(({ arity }) => arity === "one");
  const many = schema.inputs.at(-1)?.arity === "many";
  const missing = schema.inputs.find(
    ({ arity }, i) => arity === "one" && (inputs[i] === undefined || inputs[i]!.value === null),
  );
  if (!missing && (many || inputs.length <= length)) return;
  const names = schema.inputs.map(({ name, arity }) => (arity === "optional" ? `[${name}]` : name));
  const wanted =
    length === needed.length
      ? `${length} input${length === 1 ? "" : "s"} (${names.join(", ")})`
      : `${needed.length} to ${length} inputs (${names.join(", ")})`;
  throw fail("wrong-inputs", { op, wanted, count: inputs.length });
}

function portOf(schema: Schema, i: number): Port | undefined {
  const last = schema.inputs.at(-1);
  return schema.inputs[i] ?? (last?.arity === "many" ? last : undefined);
}

/** An element type that the schema names outright. */
function directType({ type }: Port): DType | undefined {
  return type in dtypes ? (type as DType) : undefined;
}

/** The element type of each variable: that of its tensors, else what its numbers ask for. */
function variablesOf(
  ground: Ground,
  schema: Schema,
  inputs: readonly Argument[],
): Map<string, DType> {
  const types = new Map<string, DType>();
  const values = inputs.map(({ value }, i) => ({ value, variable: portOf(schema, i)?.type ?? "" }));
  for (const { value, variable } of values) {
    if (isOperand(value) && isStrong(value) && !types.has(variable)) {
      types.set(variable, value.dtype);
    }
  }
  const real = [...types.values()].find((dtype) => dtypes[dtype].float);
  for (const [variable, allowed] of schema.variables) {
    if (types.has(variable)) continue;
    const numbers = values
      .filter((v) => v.variable === variable)
      .flatMap(({ value }) => numbersIn(value));
    if (numbers.some((n) => typeof n === "boolean")) types.set(variable, "bool");
    else if (!allowed.includes("f")) types.set(variable, "int64");
    else if (!allowed.includes("i")) types.set(variable, real ?? ground.dtype);
    else types.set(variable, real ?? (counts(schema, numbers) ? "int64" : ground.dtype));
  }
  return types;
}

function numbersIn(value: Val): readonly Val[] {
  return kindOf(value) === "list" ? (value as List).items : [value];
}

/** Numbers that nothing gives a type are of that of `x`, but for a Range of whole ones. */
function counts({ op }: Schema, numbers: readonly Val[]): boolean {
  const whole = (value: Val) => Number.isInteger(value) || kindOf(value) === "size";
  return op === "Range" && numbers.every(whole);
}

function toTensor(ground: Ground, value: Val, dtype: DType): Tensor | undefined {
  if (isOperand(value)) return tensorOf(ground, value, dtype);
  if (kindOf(value) !== "list") return undefined;
  const { items } = value as List;
  const extents = extentsOf(value);
  if (dtype === "int64" && extents) {
    const vector = sizesTensor(ground, extents);
    return extents.every((extent) => typeof extent === "number")
      ? known("int64", [extents.length], extents)
      : vector;
  }
  if (items.every((item) => typeof item === "number")) {
    return cast(ground, known(dtype, [items.length], items), dtype);
  }
  return undefined;
}
