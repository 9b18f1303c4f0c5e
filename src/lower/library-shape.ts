/** The library's functions that move, cut and join tensors. */
import { fail } from "../diag/diagnostic.ts";
import type { Dim } from "../ir/types.ts";
import { divideDims, multiplyDims, subtractDims } from "../onnx-ops/dims.ts";
import { refuse } from "../onnx-ops/op.ts";
import { einsum } from "./einsum.ts";
import { tensorOf, unified } from "./grow.ts";
import {
  axisOf,
  concat,
  expand,
  flip,
  gather,
  pad,
  padTo,
  permute,
  reshape,
  split,
  squeeze,
  swapAxes,
  unsqueeze,
} from "./movement.ts";
import {
  anything,
  axes,
  choice,
  count,
  define,
  extent,
  extentsOf,
  type LibraryFunction,
  number,
  operand,
  rest,
  shape,
  tensor,
  text,
  whole,
  wholes,
} from "./params.ts";
import type { Ground } from "./placement.ts";
import { roll } from "./roll.ts";
import { ceilDivide } from "./size-arithmetic.ts";
import { type Extent, isOperand, list, show, type Tensor, type Val } from "./values.ts";

const axis = (fallback = -1) => whole("axis", fallback);

export const shapeFunctions: Readonly<Record<string, LibraryFunction>> = {
  /** `split(x, 3)` in equal parts, `split(x, [64, 128])` by sizes. */
  split: define([tensor("x"), anything("parts"), axis()], (g, x, parts, at) => {
    const on = axisOf(x, at);
    return list(split(g, x, partsOf(x, parts, on), on));
  }),
  /** `concat(a, b, ...)`. */
  concat: define([rest("tensors"), axis()], (g, parts, at) => concat(g, tensors(g, parts), at)),
  /** As concat, along a new axis. */
  stack: define([rest("tensors"), axis()], (g, parts, at) => {
    const all = tensors(g, parts);
    const on = axisOf(all[0]!, at, 1);
    return concat(
      g,
      all.map((part) => unsqueeze(g, part, [on])),
      on,
    );
  }),
  reshape: define([tensor("x"), shape("shape")], reshape),
  /** Swaps the last two axes, or puts all of them in an order. */
  transpose: define([tensor("x"), wholes("order", [])], (g, x, order) => {
    if (order.length === 0) return swapAxes(g, x, -2, -1);
    const axes = order.map((axis) => axisOf(x, axis));
    if (new Set(axes).size < x.shape.length) refuse("transpose", [x], "name each axis once");
    return permute(g, x, axes);
  }),
  /** [.., N, heads * d] -> [.., heads, N, d] */
  split_heads: define([tensor("x"), count("heads")], (g, x, heads) => {
    const width = x.shape.at(-1) ?? 0;
    const size = divideDims(width, heads);
    if (size === undefined) refuse("split_heads", [x], `${width} is not a multiple of ${heads}`);
    return swapAxes(g, reshape(g, x, [...x.shape.slice(0, -1), heads, size]), -3, -2);
  }),
  /** [.., heads, N, d] -> [.., N, heads * d] */
  merge_heads: define([tensor("x")], (g, x) => {
    const rows = swapAxes(g, x, -3, -2);
    const width = multiplyDims(rows.shape.at(-2)!, rows.shape.at(-1)!) as Extent;
    return reshape(g, rows, [...rows.shape.slice(0, -2), width]);
  }),
  /** `pad(x, before, after)`: that many rows of `value`, or as ONNX's modes fill them. */
  pad: define(
    [
      tensor("x"),
      extent("before", 0),
      extent("after", 0),
      axis(),
      number("value", 0),
      choice("mode", ["constant", "edge", "reflect"], "constant"),
    ],
    (g, x, before, after, at, value, mode) =>
      pad(g, x, axisOf(x, at), [before, after], { value, mode }),
  ),
  /** Zeros behind, up to a multiple. */
  pad_to: define([tensor("x"), count("multiple"), axis()], (g, x, multiple, at) => {
    const on = axisOf(x, at);
    const blocks = ceilDivide(g, x.shape[on]!, multiple);
    return padTo(g, x, on, multiplyDims(blocks, multiple) as Extent);
  }),
  squeeze: define([tensor("x"), axes()], squeeze),
  unsqueeze: define([tensor("x"), axes()], unsqueeze),
  expand: define([tensor("x"), shape("shape")], expand),
  /** Elements of an axis, by index. */
  gather: define([tensor("x"), operand("indices"), axis()], (g, x, indices, at) =>
    gather(g, x, tensorOf(g, indices, "int64"), axisOf(x, at)),
  ),
  /** What leaves at one end comes in at the other. */
  roll: define([tensor("x"), whole("shift"), axis()], (g, x, shift, at) =>
    roll(g, x, shift, axisOf(x, at)),
  ),
  /** Each element `times` times. */
  repeat_interleave: define([tensor("x"), count("times"), axis()], (g, x, times, at) => {
    const on = axisOf(x, at);
    const rows = unsqueeze(g, x, [on + 1]);
    const copies = expand(g, rows, rows.shape.with(on + 1, times));
    const shape: readonly Extent[] = x.shape;
    return reshape(g, copies, shape.with(on, multiplyDims(shape[on]!, times) as Extent));
  }),
  /** `einsum("bnd,bmd->bnm", q, k)` */
  einsum: define([text("equation"), rest("tensors")], (g, equation, operands) =>
    einsum(g, equation, tensors(g, operands, "einsum")),
  ),
  flip: define([tensor("x"), axis()], (g, x, at) => flip(g, x, axisOf(x, at))),
  /** The whole tensor, `times` times along an axis. */
  tile: define([tensor("x"), count("times"), axis()], (g, x, times, at) =>
    concat(g, Array<Tensor>(times).fill(x), axisOf(x, at)),
  ),
};

/** Operands of one type, numbers and sizes among them. */
function tensors(ground: Ground, values: readonly Val[], name = "concat"): Tensor[] {
  const wrong = values.find((value) => !isOperand(value));
  if (wrong !== undefined) {
    throw fail("wrong-value", { what: `\`${name}\``, wanted: "tensors", got: show(wrong) });
  }
  if (values.length === 0) throw fail("missing-argument", { name, argument: "tensors" });
  return unified(ground, name, values.filter(isOperand));
}

/** Sizes of the parts; one of them may be -1, which is what is left. */
function partsOf(x: Tensor, parts: Val, axis: number): readonly Extent[] {
  const total = x.shape[axis]!;
  if (typeof parts === "number") {
    const size = parts > 0 ? divideDims(total, parts) : undefined;
    if (size === undefined) refuse("split", [x], `${total} is not a multiple of ${parts}`);
    return Array<Extent>(parts).fill(size);
  }
  const sizes = extentsOf(parts);
  if (!sizes) {
    const what = "`parts` of `split`";
    throw fail("wrong-value", { what, wanted: "a count, or a list of sizes", got: show(parts) });
  }
  const open = sizes.indexOf(-1);
  if (open < 0) return sizes;
  const left = sizes.reduce<Dim>(
    (sum, size, i) => (i === open ? sum : subtractDims(sum, size)),
    total,
  );
  return sizes.with(open, left as Extent);
}
