/** From tensors to nodes: constants are stored, types follow from the rules of src/onnx-ops. */
import { fail } from "../diag/diagnostic.ts";
import { inMemory } from "../ir/bytes.ts";
import type { Value } from "../ir/graph.ts";
import { type Dim, type DType, dtypes, type TensorType } from "../ir/types.ts";
import { type AttributeInput, attributesOf } from "../onnx-ops/attributes.ts";
import { dimOf, termsOf } from "../onnx-ops/dims.ts";
import { encodeElements } from "../onnx-ops/elements.ts";
import { ops } from "../onnx-ops/index.ts";
import { readerOf } from "../onnx-ops/op.ts";
import { unknownPrefix } from "../onnx-ops/sizes.ts";
import { filled, mapped } from "./arrays.ts";
import { checkKinds } from "./kinds.ts";
import type { Ground } from "./placement.ts";
import { type Extent, type Operand, show, type Tensor, type Wire } from "./values.ts";

export interface GrowOptions {
  readonly attributes?: Readonly<Record<string, AttributeInput>>;
  readonly outputs?: number;
}

/** Since when operators take bfloat16, where others of its floats came first. */
const bfloat16Since: Readonly<Record<string, number>> = {
  Conv: 22,
  Cos: 22,
  Elu: 22,
  GreaterOrEqual: 16,
  LessOrEqual: 16,
  Sin: 22,
  Softplus: 22,
  Tan: 22,
  Where: 16,
};

/** Adds one node of ai.onnx; its type rule must reach. */
export function growAll(
  ground: Ground,
  op: string,
  inputs: readonly (Tensor | null)[],
  options: GrowOptions = {},
): Wire[] {
  const narrow = (input: Tensor | null) => input?.dtype === "bfloat16";
  if (ground.opset < (bfloat16Since[op] ?? 0) && inputs.some(narrow)) {
    const wide = inputs.map((input) => (narrow(input) ? cast(ground, input!, "float32") : input));
    return growAll(ground, op, wide, options).map((result) =>
      result.dtype === "float32" ? (cast(ground, result, "bfloat16") as Wire) : result,
    );
  }
  const { attributes = {}, outputs = 1 } = options;
  checkKinds(op, ground.opset, inputs);
  const types = ops.get(op)?.infer?.({
    inputs: inputs.map((input) => input && operandOf(input)),
    attributes: readerOf(attributesOf(attributes)),
    opset: ground.opset,
    outputs,
  });
  if (!types) throw new Error(`no type is known for ${op}`);
  const values = ground.patch.add(
    op,
    inputs.map((input) => input && nodeValue(ground, input)),
    { attributes, outputs },
  );
  return values.map((value, i) => wire(ground, value, types[i]!));
}

/** As growAll, for a node of one output. */
export function grow(
  ground: Ground,
  op: string,
  inputs: readonly (Tensor | null)[],
  attributes: Readonly<Record<string, AttributeInput>> = {},
): Wire {
  return growAll(ground, op, inputs, { attributes })[0]!;
}

/** What the rules see of a tensor. */
export function operandOf(tensor: Tensor) {
  const whole = tensor.dtype === "int64" || tensor.dtype === "int32";
  const ints =
    tensor.kind === "wire"
      ? tensor.ints
      : whole && tensor.data.length <= 64
        ? [...tensor.data]
        : undefined;
  return { dtype: tensor.dtype, shape: tensor.shape, ints };
}

/** A value of the graph as a tensor. Sizes that are unknown get names of their own. */
export function wire(ground: Ground, value: Value, type: TensorType): Wire {
  const shape = (type.shape ?? []).map((dim) =>
    typeof dim === "string" ? dimOf(termsOf(dim)) : (dim ?? ground.sizes.unknown()),
  );
  value.type = { dtype: type.dtype, shape: shape.map(stored) };
  ground.sizes.observe(value, shape);
  return { kind: "wire", dtype: type.dtype, shape, value };
}

function stored(dim: Extent): Dim {
  return typeof dim === "string" && dim.includes(unknownPrefix) ? null : dim;
}

/** The graph's value of a tensor; one known at compile time becomes a Constant. */
export function nodeValue(ground: Ground, tensor: Tensor): Value {
  if (tensor.kind === "wire") return tensor.value;
  const bytes = inMemory(encodeElements(tensor.dtype, tensor.data));
  return ground.patch.constant(tensor.dtype, tensor.shape, bytes);
}

/** A tensor of the graph, whatever it was. */
export function asWire(ground: Ground, tensor: Tensor): Wire {
  if (tensor.kind === "wire") return tensor;
  const { dtype, shape } = tensor;
  return { kind: "wire", dtype, shape, value: nodeValue(ground, tensor) };
}

/** An int64 vector of sizes. */
export function sizesTensor(ground: Ground, dims: readonly Extent[]): Wire {
  const value = ground.sizes.vector(dims);
  return { kind: "wire", dtype: "int64", shape: [dims.length], value, ints: dims };
}

export function cast(ground: Ground, x: Tensor, dtype: DType): Tensor {
  if (x.dtype === dtype) return x.kind === "wire" && x.weak ? { ...x, weak: false } : x;
  if (x.kind === "wire") {
    return grow(ground, "Cast", [x], { to: dtypes[dtype].code });
  }
  if (dtype === "bool") return mapped(x, (e) => (e !== 0 ? 1 : 0), dtype);
  if (dtypes[dtype].float) return mapped(x, (e) => e, dtype);
  const misfit = x.data.find((e) => !holds(dtype, Math.trunc(e)));
  if (misfit !== undefined) throw fail("number-does-not-fit", { number: misfit, dtype });
  return mapped(x, Math.trunc, dtype);
}

/** Whether an integer type has this number; of 64 bits what float64 counts exactly. */
function holds(dtype: DType, number: number): boolean {
  const unsigned = dtype.startsWith("u");
  const bits = Math.min(dtypes[dtype].bits - (unsigned ? 0 : 1), 53);
  return number >= (unsigned ? 0 : -(2 ** bits)) && number < 2 ** bits;
}

/** What ONNX computes of reals alone: whole numbers and truths become the type of `x`, as in NumPy. */
export function asReal(ground: Ground, x: Tensor): Tensor {
  return dtypes[x.dtype].float ? x : cast(ground, x, ground.dtype);
}

/**
 * A number, a size or a tensor as a tensor of `dtype`.
 * @throws GraftError where a number has no exact form in an integer type.
 */
export function tensorOf(ground: Ground, operand: Operand, dtype: DType): Tensor {
  if (typeof operand === "boolean") return filled("bool", [], operand ? 1 : 0);
  if (typeof operand === "number") {
    if (dtype === "bool" || (!dtypes[dtype].float && !Number.isInteger(operand))) {
      throw fail("number-does-not-fit", { number: operand, dtype }, { hint: "cast the tensor" });
    }
    return filled(dtype, [], operand);
  }
  if (operand.kind === "size") {
    const real = dtypes[dtype].float ? ground.sizes.real(operand.dim) : undefined;
    const value = real ?? ground.sizes.scalar(operand.dim);
    const type = value.type!;
    return cast(ground, { kind: "wire", dtype: type.dtype, shape: [], value }, dtype);
  }
  return operand.kind === "wire" && operand.weak ? cast(ground, operand, dtype) : operand;
}

/**
 * Operands of one operation, numbers in the type of the tensors beside them.
 * @throws GraftError where two tensors have different types.
 */
export function unified(ground: Ground, op: string, operands: readonly Operand[]): Tensor[] {
  const types = new Set(operands.filter(isStrong).map(({ dtype }) => dtype));
  if (types.size > 1) {
    throw fail(
      "types-do-not-meet",
      { op, types: operands.map(show).join(" and ") },
      { hint: "cast one of them: `float(...)` is the type of `x`" },
    );
  }
  const dtype = [...types][0] ?? (operands.every(isTruth) ? "bool" : ground.dtype);
  return operands.map((operand) => tensorOf(ground, operand, dtype));
}

function isTruth(operand: Operand): boolean {
  return typeof operand === "boolean";
}

/** A tensor with a type of its own, which numbers take on. */
export function isStrong(operand: Operand): operand is Tensor {
  if (typeof operand !== "object" || operand.kind === "size") return false;
  return operand.kind === "known" || !operand.weak;
}

/** Norms and running sums of half-precision tensors are computed in float32. */
export function inFloat32(ground: Ground, x: Tensor, compute: (x: Tensor) => Tensor): Tensor {
  if (x.dtype !== "float16" && x.dtype !== "bfloat16") return compute(x);
  return cast(ground, compute(cast(ground, x, "float32")), x.dtype);
}
