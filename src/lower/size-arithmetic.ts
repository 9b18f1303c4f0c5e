/** Arithmetic on numbers and symbolic sizes, which stays a size as long as it can. */

import { fail } from "../diag/diagnostic.ts";
import type { Value } from "../ir/graph.ts";
import {
  addDims,
  divideDims,
  grouped,
  multiplyDims,
  subtractDims,
  termsOf,
} from "../onnx-ops/dims.ts";
import { level } from "../onnx-ops/fractions.ts";
import { type Ground, symbolicSize } from "./placement.ts";
import { type Extent, type Size, sizeValue, type Wire } from "./values.ts";

export type Number = number | Size | Wire;

const algebra: Readonly<Record<string, (a: Extent, b: Extent) => unknown>> = {
  "+": addDims,
  "-": subtractDims,
  "*": multiplyDims,
};

const numeric: Readonly<Record<string, (a: number, b: number) => number>> = {
  "+": (a, b) => a + b,
  "-": (a, b) => a - b,
  "*": (a, b) => a * b,
  "/": (a, b) => a / b,
  "**": (a, b) => a ** b,
};

/** `a op b` of two numbers; undefined where it takes real arithmetic while the model runs. */
export function sizeArithmetic(
  ground: Ground,
  op: string,
  a: number | Size,
  b: number | Size,
): number | Size | undefined {
  if (op === "/" && b === 0) throw fail("division-by-zero", {});
  if (typeof a === "number" && typeof b === "number") return numeric[op]?.(a, b);
  const [left, right] = [extentOf(a), extentOf(b)];
  if (left === undefined || right === undefined) return undefined;
  if (op in algebra) return sizeValue(algebra[op]!(left, right) as Extent);
  if (op !== "/" || typeof left !== "string") return undefined;
  return sizeValue(ground.sizes.quotient(left, right));
}

/** A whole number or a symbolic size; undefined for 0.5. */
export function extentOf(value: number | Size): Extent | undefined {
  if (typeof value !== "number") return value.dim;
  return Number.isInteger(value) ? value : undefined;
}

/** An int64 vector of one element, computed while the model runs. */
export function int64(ground: Ground, op: string, dims: readonly Extent[]): Value {
  return ground.patch.one(
    op,
    dims.map((dim) => ground.sizes.vector([dim])),
    { types: [{ dtype: "int64", shape: [1] }] },
  );
}

/** a / b rounded up. */
export function ceilDivide(ground: Ground, a: Extent, b: number): Extent {
  if (typeof a === "number") return Math.ceil(a / b);
  const exact = divideDims(a, b);
  if (exact !== undefined) return exact;
  return ground.sizes.derived(`ceil(${grouped(a)}/${b})`, () =>
    int64(ground, "Div", [addDims(a, b - 1) as Extent, b]),
  );
}

const halvesAway = (value: Extent, below: Extent) => add(twice(value), below);

/** How `above / below` is rounded, as an int64 vector; `round` takes halves away from zero. */
const roundings = {
  floor: floorDivide,
  ceil: (ground: Ground, above: Extent, below: Extent) =>
    floorDivide(ground, add(above, add(below, -1)), below),
  round: (ground: Ground, above: Extent, below: Extent) => {
    if (isCount(above)) return floorDivide(ground, halvesAway(above, below), twice(below));
    const size = atom(ground, "Abs", [above]);
    const near = ground.sizes.derived(`round(${size}/${grouped(below)})`, () =>
      int64(ground, "Div", [halvesAway(size, below), twice(below)]),
    );
    return int64(ground, "Mul", [atom(ground, "Sign", [above]), near]);
  },
};

/** A whole size is itself; one with quotients, `N/8`, is rounded as the real number that it is. */
export function rounded(ground: Ground, how: keyof typeof roundings, { dim }: Size): number | Size {
  const { above, below } = ground.sizes.fraction(dim);
  const exact = divideDims(above, below);
  if (exact !== undefined) return sizeValue(exact);
  const name = `${how}(${grouped(above)}/${grouped(below)})`;
  return sizeValue(ground.sizes.derived(name, () => roundings[how](ground, above, below)));
}

/** Towards minus infinity; Div cuts. */
function floorDivide(ground: Ground, a: Extent, b: Extent): Value {
  if (isCount(a)) return int64(ground, "Div", [a, b]);
  const rest = atom(ground, "Mod", [a, b]);
  return int64(ground, "Div", [subtractDims(a, rest) as Extent, b]);
}

/** Whether a size is never negative. */
function isCount(dim: Extent): boolean {
  return termsOf(dim).every(({ factor }) => factor > 0);
}

/** What an operator of ONNX makes of sizes, as a size. */
function atom(ground: Ground, op: string, dims: readonly Extent[]): string {
  return ground.sizes.derived(`${op.toLowerCase()}(${dims.join(", ")})`, () =>
    int64(ground, op, dims),
  );
}

function add(a: Extent, b: Extent): Extent {
  return addDims(a, b) as Extent;
}

function twice(dim: Extent): Extent {
  return multiplyDims(dim, 2) as Extent;
}

/** The lesser or greater of sizes. */
export function extreme(
  ground: Ground,
  name: "min" | "max",
  a: number | Size,
  b: number | Size,
): number | Size | undefined {
  if (typeof a === "number" && typeof b === "number") return Math[name](a, b);
  const [left, right] = [extentOf(a), extentOf(b)];
  if (left === undefined || right === undefined) return undefined;
  const difference = subtractDims(left, right);
  if (typeof difference === "number") return difference < 0 === (name === "min") ? a : b;
  const { sizes } = ground;
  const { a: above, b: other, below } = level(sizes.fraction(left), sizes.fraction(right));
  const sorted = [above, other].sort((x, y) => (String(x) < String(y) ? -1 : 1));
  return sizeValue(sizes.quotient(atom(ground, name === "min" ? "Min" : "Max", sorted), below));
}

const comparisons: Readonly<Record<string, (difference: number) => boolean>> = {
  "<": (d) => d < 0,
  "<=": (d) => d <= 0,
  ">": (d) => d > 0,
  ">=": (d) => d >= 0,
  "==": (d) => d === 0,
  "!=": (d) => d !== 0,
};

/** @throws GraftError where only the running model knows. */
export function compareSizes(
  ground: Ground,
  op: string,
  a: number | Size,
  b: number | Size,
): boolean {
  const difference =
    typeof a === "number" && typeof b === "number"
      ? Math.sign(a - b)
      : subtractDims(typeof a === "number" ? a : a.dim, typeof b === "number" ? b : b.dim);
  if (typeof difference === "number") return comparisons[op]!(difference);
  const symbolic = [a, b].find((value) => typeof value !== "number") as Size;
  throw symbolicSize(ground, "A comparison", symbolic.dim);
}
