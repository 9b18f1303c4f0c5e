/** The library's functions that make tensors, and casts. */
import { fail } from "../diag/diagnostic.ts";
import { type DType, dtypes } from "../ir/types.ts";
import { subtractDims } from "../onnx-ops/dims.ts";
import { binary } from "./arithmetic.ts";
import { built, filled, known } from "./arrays.ts";
import { cast, grow, isStrong, tensorOf } from "./grow.ts";
import { expand, unsqueeze } from "./movement.ts";
import {
  anything,
  asTensor,
  count,
  define,
  extent,
  type LibraryFunction,
  number,
  operand,
  shape,
  whole,
} from "./params.ts";
import type { Ground } from "./placement.ts";
import { ceilDivide } from "./size-arithmetic.ts";
import {
  type Extent,
  kindOf,
  type List,
  type Operand,
  show,
  sizeValue,
  type Tensor,
  type Val,
} from "./values.ts";

const castable = "float16 float32 float64 bfloat16 int8 int32 int64 uint8 bool".split(" ");

export const makeFunctions: Readonly<Record<string, LibraryFunction>> = {
  zeros: define([shape("shape")], (g, dims) => full(g, dims, 0)),
  ones: define([shape("shape")], (g, dims) => full(g, dims, 1)),
  full: define([shape("shape"), number("value")], full),
  /** 0 .. n - 1, or from .. to - 1, int64. */
  range: define([extent("from"), extent("to", NaN), whole("step", 1)], (g, from, to, step) =>
    Number.isNaN(to) ? range(g, 0, from, step) : range(g, from, to, step),
  ),
  /** bool [n, n]: true where column <= row + diagonal. */
  tril: define([extent("n"), whole("diagonal", 0)], (g, n, diagonal) =>
    triangle(g, n, "<=", diagonal),
  ),
  /** bool [n, n]: true where column >= row + diagonal. */
  triu: define([extent("n"), whole("diagonal", 0)], (g, n, diagonal) =>
    triangle(g, n, ">=", diagonal),
  ),
  eye: define([extent("n")], (g, n) => cast(g, triangle(g, n, "==", 0) as Tensor, g.dtype)),

  /** `count` numbers from `from` to `to`, both among them. */
  linspace: define([number("from"), number("to"), count("count")], (g, from, to, n) =>
    built(g.dtype, [n], (i) => (n === 1 ? from : from + (i * (to - from)) / (n - 1))),
  ),
  /** `tensor([0.5, 1, 0.5])`, `tensor([[1, 2], [3, 4]])`, in the type of `x`. */
  tensor: define([anything("values")], (g, values) => literal(g, values)),

  /** In the type of `x`. */
  float: define([operand("t")], (g, t) => converted(g, t, g.dtype)),
  int: define([operand("t")], (g, t) => converted(g, t, "int64")),
  ...Object.fromEntries(
    castable.map((dtype) => [
      dtype,
      define([operand("t")], (g, t) => converted(g, t, dtype as DType)),
    ]),
  ),
};

/** Lists of numbers, nested as deep as the tensor has axes. */
function literal({ dtype }: Ground, values: Val): Tensor {
  const shape: number[] = [];
  for (let first = values; isList(first); first = first.items[0]!) shape.push(first.items.length);
  const data: number[] = [];
  const wrong = (got: Val) =>
    fail("wrong-value", {
      what: "`values` of `tensor`",
      wanted: "numbers, in lists of equal length",
      got: show(got),
    });
  const collect = (value: Val, depth: number): void => {
    if (depth < shape.length) {
      if (!isList(value) || value.items.length !== shape[depth]) throw wrong(values);
      for (const item of value.items) collect(item, depth + 1);
    } else if (typeof value === "number") data.push(value);
    else throw wrong(value);
  };
  collect(values, 0);
  return known(dtype, shape, data);
}

function isList(value: Val | undefined): value is List {
  return value !== undefined && kindOf(value) === "list";
}

/** Numbers keep being numbers: they take any type. */
function converted(ground: Ground, t: Operand, dtype: DType): Val {
  if (typeof t === "number") return dtypes[dtype].float ? t : Math.trunc(t);
  if (!isStrong(t) && typeof t !== "boolean") return tensorOf(ground, t, dtype);
  return cast(ground, asTensor(ground, t), dtype);
}

function full(ground: Ground, dims: readonly Extent[], value: number): Tensor {
  return expand(ground, filled(ground.dtype, [], value), dims);
}

export function range(ground: Ground, from: Extent, to: Extent, step: number): Tensor {
  if (typeof from === "number" && typeof to === "number") {
    const length = Math.max(0, Math.ceil((to - from) / step));
    return built("int64", [length], (i) => from + i * step);
  }
  const length = subtractDims(to, from) as Extent;
  if (step !== 1) {
    const forward = step > 0 ? length : (subtractDims(from, to) as Extent);
    const index = range(ground, 0, ceilDivide(ground, forward, Math.abs(step)), 1);
    return binary(ground, "+", binary(ground, "*", index, step), sizeValue(from)) as Tensor;
  }
  const [start, limit, delta] = [from, to, step].map((bound) =>
    tensorOf(ground, sizeValue(bound), "int64"),
  );
  return { ...grow(ground, "Range", [start!, limit!, delta!]), shape: [length] };
}

/** bool [n, n]: `column op row + diagonal`. */
function triangle(ground: Ground, n: Extent, op: string, diagonal: number): Operand {
  const index = range(ground, 0, n, 1);
  const rows = binary(ground, "+", unsqueeze(ground, index, [1]), diagonal);
  return binary(ground, op, index, rows);
}
