/** Arithmetic on numbers and symbolic sizes, which stays a size as long as it can. */

import { fail } from "../diag/diagnostic.ts";
import { addDims, divideDims, multiplyDims, subtractDims } from "../onnx-ops/dims.ts";
import { grow, tensorOf } from "./grow.ts";
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
  if (op === "/" && typeof left === "string") return quotient(ground, left, right);
  return undefined;
}

/** A whole number or a symbolic size; undefined for 0.5. */
export function extentOf(value: number | Size): Extent | undefined {
  if (typeof value !== "number") return value.dim;
  return Number.isInteger(value) ? value : undefined;
}

/** Exact where algebra shows it; else the atom `N/8`, which is taken to divide. */
function quotient(ground: Ground, a: string, b: Extent): number | Size {
  const exact = divideDims(a, b);
  if (exact !== undefined) return sizeValue(exact);
  const { sizes } = ground;
  const name = `${grouped(a)}/${grouped(b)}`;
  const whole = () => int64(ground, "Div", [a, b]);
  const real = () => {
    const [x, y] = [a, b].map((dim) => tensorOf(ground, sizeValue(dim), "float32"));
    return grow(ground, "Div", [x!, y!]).value;
  };
  return { kind: "size", dim: sizes.derived(name, whole, real) };
}

/** Sums and products need parentheses inside an atom. */
export function grouped(dim: Extent): string {
  return /[ *]/.test(String(dim)) ? `(${dim})` : String(dim);
}

/** What `grouped` was given. Atoms may have parentheses of their own: `(w/8)`. */
export function ungrouped(text: string): string {
  const inner = text.slice(1, -1);
  return grouped(inner) === text ? inner : text;
}

/** An int64 vector of one element, computed while the model runs. */
export function int64(ground: Ground, op: string, dims: readonly Extent[]) {
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
  const [first, second] = [String(left), String(right)].sort();
  const op = name === "min" ? "Min" : "Max";
  const atom = `${name}(${first}, ${second})`;
  return { kind: "size", dim: ground.sizes.derived(atom, () => int64(ground, op, [left, right])) };
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
