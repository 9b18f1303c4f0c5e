import type { Node } from "../../src/ir/graph.ts";
import { type Dim, elements } from "../../src/ir/types.ts";
import type { Measured } from "./probe.ts";

/** Operators that shapes are calculated with. */
const shapeArithmetic = new Set(
  (
    "Shape Size Constant Gather Slice Concat Unsqueeze Squeeze Cast Add Sub Mul Div Mod Neg Min Max " +
    "Range Reshape Expand Equal Where Not ConstantOfShape ReduceProd ReduceMin ReduceMax Identity Floor " +
    "Ceil Sqrt Transpose"
  ).split(" "),
);

/** Of tables: the pads of `Pad` are made as pairs, two for each axis. */
const mostElements = 32;

/** Whether what a node makes may be part of a shape, so that its numbers count. */
export function calculatesShapes({ op }: Node, { dtype, shape }: Measured): boolean {
  if (!shape || !shapeArithmetic.has(op)) return false;
  const whole = dtype === "int64" || dtype === "int32" || dtype === "bool";
  return shape.length === 0 || (whole && (shape.length === 1 || isSmall(shape)));
}

function isSmall(shape: readonly Dim[]): boolean {
  return elements(shape.map((dim) => (typeof dim === "number" ? dim : Infinity))) <= mostElements;
}
