/** Functions of one tensor, element by element. Each is a node of its own, or made of others. */
import { fail } from "../diag/diagnostic.ts";
import { dtypes } from "../ir/types.ts";
import { roundHalfAway } from "../plan/evaluate.ts";
import { binary, negate, where } from "./arithmetic.ts";
import { mapped, zipped } from "./arrays.ts";
import { asReal, grow, inFloat32, isStrong, tensorOf, unified } from "./grow.ts";
import { checkKinds } from "./kinds.ts";
import type { Ground } from "./placement.ts";
import type { Operand, Tensor } from "./values.ts";

type Real = (x: number) => number;

interface Primitive {
  readonly op: string;
  readonly apply: Real;
  /** What it does to whole numbers: gives whole ones, or leaves them as they are. */
  readonly whole?: "kept" | "same";
  /** Half precision is computed in float32. */
  readonly wide?: boolean;
}

/** What ONNX has an operator for since opset 13 at the latest. */
const primitives: Readonly<Record<string, Primitive>> = {
  abs: { op: "Abs", apply: Math.abs, whole: "kept" },
  ceil: { op: "Ceil", apply: Math.ceil, whole: "same" },
  cos: { op: "Cos", apply: Math.cos },
  erf: { op: "Erf", apply: erf },
  exp: { op: "Exp", apply: Math.exp },
  floor: { op: "Floor", apply: Math.floor, whole: "same" },
  log: { op: "Log", apply: Math.log },
  reciprocal: { op: "Reciprocal", apply: (x) => 1 / x },
  relu: { op: "Relu", apply: (x) => Math.max(x, 0), whole: "kept" },
  sigmoid: { op: "Sigmoid", apply: (x) => 1 / (1 + Math.exp(-x)) },
  sign: { op: "Sign", apply: Math.sign, whole: "kept" },
  sin: { op: "Sin", apply: Math.sin },
  softplus: {
    op: "Softplus",
    apply: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
    wide: true,
  },
  sqrt: { op: "Sqrt", apply: Math.sqrt },
  tan: { op: "Tan", apply: Math.tan },
  tanh: { op: "Tanh", apply: Math.tanh },
};

interface Composed extends Omit<Primitive, "op" | "wide"> {
  readonly grow: (g: Ground, x: Tensor) => Operand;
}

/** What is made of others in the model, and computed in one step at compile time. */
const composed: Readonly<Record<string, Composed>> = {
  elu: {
    apply: (x) => (x > 0 ? x : Math.expm1(x)),
    grow: (g, x) => grow(g, "Elu", [x], { alpha: { float: 1 } }),
  },
  expm1: {
    apply: Math.expm1,
    grow: (g, x) => binary(g, "-", elementwise(g, "exp", x), 1),
  },
  /** x * relu6(x + 3) / 6 */
  hardswish: {
    apply: (x) => (x * Math.min(Math.max(x + 3, 0), 6)) / 6,
    grow: (g, x) => {
      const share = binary(g, "/", elementwise(g, "relu6", binary(g, "+", x, 3)), 6);
      return binary(g, "*", x, share);
    },
  },
  logsigmoid: {
    apply: (x) => Math.min(x, 0) - Math.log1p(Math.exp(-Math.abs(x))),
    grow: (g, x) => negate(g, elementwise(g, "softplus", negate(g, x))),
  },
  mish: {
    apply: (x) => x * Math.tanh(Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))),
    grow: (g, x) => binary(g, "*", x, elementwise(g, "tanh", elementwise(g, "softplus", x))),
  },
  relu6: {
    apply: (x) => Math.min(Math.max(x, 0), 6),
    whole: "kept",
    grow: (g, x) => clip(g, x, 0, 6),
  },
  log1p: {
    apply: Math.log1p,
    grow: (g, x) => elementwise(g, "log", binary(g, "+", x, 1)),
  },
  round: {
    apply: roundHalfAway,
    whole: "same",
    grow: (g, x) => {
      const up = elementwise(g, "floor", binary(g, "+", elementwise(g, "abs", x), 0.5));
      return binary(g, "*", elementwise(g, "sign", x), up);
    },
  },
  rsqrt: {
    apply: (x) => 1 / Math.sqrt(x),
    grow: (g, x) => binary(g, "**", x, -0.5),
  },
  silu: {
    apply: (x) => x / (1 + Math.exp(-x)),
    grow: (g, x) => binary(g, "*", x, elementwise(g, "sigmoid", x)),
  },
  square: {
    apply: (x) => x * x,
    whole: "kept",
    grow: (g, x) => binary(g, "*", x, x),
  },
};

export const elementwiseNames: readonly string[] = [
  ...Object.keys(primitives),
  ...Object.keys(composed),
];

/** One of `elementwiseNames` applied to a number, or to each element. */
export function elementwise(ground: Ground, name: string, x: Operand): Operand {
  const primitive = primitives[name];
  const { apply, whole } = (primitive ?? composed[name])!;
  if (typeof x === "number") return apply(x);
  const weak = !isStrong(x);
  const given = tensorOf(ground, x, weak ? "float32" : ground.dtype);
  if (whole === "same" && isWhole(given)) return given;
  const tensor = whole && isWhole(given) ? given : asReal(ground, given);
  if (tensor.kind === "known") return mapped(tensor, apply);
  const compute = (y: Tensor): Operand =>
    primitive ? grow(ground, primitive.op, [y]) : composed[name]!.grow(ground, y);
  const result = primitive?.wide
    ? inFloat32(ground, tensor, (y) => compute(y) as Tensor)
    : (compute(tensor) as Tensor);
  return weak && result.kind === "wire" ? { ...result, weak } : result;
}

function isWhole({ dtype }: Tensor): boolean {
  return !dtypes[dtype].float && dtype !== "bool";
}

const toTanh = Math.sqrt(2 / Math.PI);

/** x Phi(x), or its tanh form: 0.5 x (1 + tanh(sqrt(2/pi) x (1 + 0.044715 x^2))). */
export function gelu(ground: Ground, given: Operand, approximate: "none" | "tanh"): Operand {
  const x = isStrong(given) ? asReal(ground, given) : given;
  if (typeof x === "object" && x.kind === "wire" && ground.opset >= 20) {
    return grow(ground, "Gelu", [x], { approximate });
  }
  const times = (a: Operand, b: Operand) => binary(ground, "*", a, b);
  const plus = (a: Operand, b: Operand) => binary(ground, "+", a, b);
  const curve =
    approximate === "tanh"
      ? elementwise(ground, "tanh", times(times(x, toTanh), plus(times(times(x, x), 0.044715), 1)))
      : elementwise(ground, "erf", binary(ground, "/", x, Math.SQRT2));
  return times(times(x, 0.5), plus(curve, 1));
}

/** a modulo b with the sign of b. */
export function modulo(ground: Ground, a: Operand, b: Operand): Operand {
  const apply = (x: number, y: number) => x - y * Math.floor(x / y);
  if (typeof a === "number" && typeof b === "number") return apply(a, b);
  const [x, y] = unified(ground, "mod", [a, b]);
  if (x!.kind === "known" && y!.kind === "known") {
    checkKinds("Mod", ground.opset, [x!, y!], "mod");
    const result = zipped("mod", [x!, y!], x!.dtype, apply);
    if (isWhole(x!) && result.data.some(Number.isNaN)) throw fail("division-by-zero", {});
    return result;
  }
  if (!dtypes[x!.dtype].float) return grow(ground, "Mod", [x!, y!]);
  const quotient = elementwise(ground, "floor", binary(ground, "/", a, b));
  return binary(ground, "-", a, binary(ground, "*", quotient, b));
}

export function clip(ground: Ground, x: Operand, low: Operand, high: Operand): Operand {
  return binary(ground, "min", binary(ground, "max", x, low), high);
}

/** x where it is positive, else slope * x. */
export function leakyRelu(ground: Ground, x: Operand, slope: number): Operand {
  return where(ground, binary(ground, ">", x, 0), x, binary(ground, "*", x, slope));
}

/**
 * The error function to 1e-16: its series near 0, the continued fraction of erfc beyond
 * (Abramowitz and Stegun 7.1.6, 7.1.14).
 */
function erf(x: number): number {
  const size = Math.abs(x);
  if (size > 6) return Math.sign(x);
  if (size < 2.5) {
    let term = x;
    let sum = x;
    for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
      term *= (2 * x * x) / (2 * n + 1);
      sum += term;
    }
    return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
  }
  let fraction = 0;
  for (let n = 60; n > 0; n--) fraction = n / 2 / (size + fraction);
  const complement = Math.exp(-x * x) / ((size + fraction) * Math.sqrt(Math.PI));
  return Math.sign(x) * (1 - complement);
}
