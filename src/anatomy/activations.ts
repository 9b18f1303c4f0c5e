/**
 * Which function a run of elementwise operations computes: they are evaluated at a few points and
 * compared with the functions that are known. So every decomposition of an activation is recognised.
 */
import type { Constants } from "./constants.ts";
import type { Op, Wire } from "./flow.ts";
import type { Region } from "./region.ts";

const points = [-4, -2.3, -1, -0.4, 0.3, 0.9, 1.7, 2.4, 5, 9];

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
const softplus = (x: number) => Math.log1p(Math.exp(x));

/** Abramowitz and Stegun 7.1.26 errs by 1.5e-7, far less than gelu and its tanh form differ. */
function erf(x: number): number {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const series = [1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592];
  const y = 1 - series.reduce((sum, c) => (sum + c) * t, 0) * Math.exp(-x * x);
  return Math.sign(x) * y;
}

const gelu = (x: number) => 0.5 * x * (1 + erf(x / Math.SQRT2));
const geluTanh = (x: number) =>
  0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
const elu = (x: number, alpha = 1) => (x > 0 ? x : alpha * Math.expm1(x));
const hardSigmoid = (x: number, alpha = 1 / 6, beta = 0.5) =>
  Math.max(0, Math.min(1, alpha * x + beta));

const functions: Readonly<Record<string, (x: number) => number>> = {
  identity: (x) => x,
  gelu,
  gelu_tanh: geluTanh,
  quick_gelu: (x) => x * sigmoid(1.702 * x),
  silu: (x) => x * sigmoid(x),
  relu: (x) => Math.max(0, x),
  relu6: (x) => Math.max(0, Math.min(6, x)),
  relu2: (x) => Math.max(0, x) ** 2,
  tanh: Math.tanh,
  sigmoid,
  elu,
  leaky_relu: (x) => (x > 0 ? x : 0.01 * x),
  selu: (x) => 1.0507009873554805 * elu(x, 1.6732632423543772),
  hardswish: (x) => x * hardSigmoid(x),
  hardsigmoid: (x) => hardSigmoid(x),
  softplus,
  softsign: (x) => x / (1 + Math.abs(x)),
  mish: (x) => x * Math.tanh(softplus(x)),
  exp: Math.exp,
  square: (x) => x * x,
};

/** Half precision rounds the constants of a decomposition by 5e-4 at most. */
const tolerance = 2e-3;

/** The name of the function with these values at the sample points, the nearest one that is near. */
export function nameOf(values: readonly number[]): string | null {
  let best: { name: string; error: number } | null = null;
  for (const [name, f] of Object.entries(functions)) {
    const errors = points.map((x, i) => Math.abs(f(x) - values[i]!) / Math.max(1, Math.abs(f(x))));
    const error = Math.max(...errors);
    if (error < (best?.error ?? tolerance)) best = { name, error };
  }
  return best?.name ?? familyOf(values);
}

/** Functions with a parameter of their own: leaky_relu and elu with another slope. */
function familyOf(values: readonly number[]): string | null {
  const linear = points.every((x, i) => x <= 0 || Math.abs(values[i]! - x) < tolerance);
  if (!linear) return null;
  const slopes = points.flatMap((x, i) => (x < 0 ? [values[i]! / x] : []));
  const alphas = points.flatMap((x, i) => (x < 0 ? [values[i]! / Math.expm1(x)] : []));
  const constant = (list: readonly number[]) =>
    list.every((value) => Math.abs(value - list[0]!) < tolerance) && list[0]! > 0;
  return constant(slopes) ? "leaky_relu" : constant(alphas) ? "elu" : null;
}

/** An argument is undefined where the input was left out. */
type Rule = (op: Op, ...args: number[]) => number;

const rules: Readonly<Record<string, Rule>> = {
  Identity: (_, x) => x!,
  Cast: (_, x) => x!,
  Add: (_, ...terms) => terms.reduce((a, b) => a + b),
  Sub: (_, a, b) => a! - b!,
  Mul: (_, a, b) => a! * b!,
  Div: (_, a, b) => a! / b!,
  Pow: (_, a, b) => a! ** b!,
  Neg: (_, x) => -x!,
  Abs: (_, x) => Math.abs(x!),
  Sqrt: (_, x) => Math.sqrt(x!),
  Exp: (_, x) => Math.exp(x!),
  Log: (_, x) => Math.log(x!),
  Erf: (_, x) => erf(x!),
  Sin: (_, x) => Math.sin(x!),
  Cos: (_, x) => Math.cos(x!),
  Tanh: (_, x) => Math.tanh(x!),
  Sigmoid: (_, x) => sigmoid(x!),
  Reciprocal: (_, x) => 1 / x!,
  Relu: (_, x) => Math.max(0, x!),
  LeakyRelu: ({ node }, x) => (x! > 0 ? x! : (node.float("alpha") ?? 0.01) * x!),
  Elu: ({ node }, x) => elu(x!, node.float("alpha") ?? 1),
  Celu: ({ node }, x) => {
    const alpha = node.float("alpha") ?? 1;
    return Math.max(0, x!) + Math.min(0, alpha * Math.expm1(x! / alpha));
  },
  Selu: (_, x) => functions.selu!(x!),
  HardSigmoid: ({ node }, x) =>
    hardSigmoid(x!, node.float("alpha") ?? 0.2, node.float("beta") ?? 0.5),
  HardSwish: (_, x) => functions.hardswish!(x!),
  Softplus: (_, x) => softplus(x!),
  Softsign: (_, x) => functions.softsign!(x!),
  Mish: (_, x) => functions.mish!(x!),
  Swish: ({ node }, x) => x! * sigmoid((node.float("alpha") ?? 1) * x!),
  QuickGelu: ({ node }, x) => x! * sigmoid((node.float("alpha") ?? 1.702) * x!),
  Gelu: ({ node }, x) => (node.string("approximate") === "tanh" ? geluTanh(x!) : gelu(x!)),
  FastGelu: (_, x) => geluTanh(x!),
  Min: (_, ...terms) => Math.min(...terms),
  Max: (_, ...terms) => Math.max(...terms),
  Clip: (_, x, low, high) =>
    Math.min(Math.max(x!, low ?? Number.NEGATIVE_INFINITY), high ?? Number.POSITIVE_INFINITY),
  Greater: (_, a, b) => Number(a! > b!),
  GreaterOrEqual: (_, a, b) => Number(a! >= b!),
  Less: (_, a, b) => Number(a! < b!),
  LessOrEqual: (_, a, b) => Number(a! <= b!),
  Where: (_, condition, a, b) => (condition ? a! : b!),
};

const moves = new Set([
  "Reshape",
  "Transpose",
  "Squeeze",
  "Unsqueeze",
  "Flatten",
  "Dropout",
  "QuantizeLinear",
  "DequantizeLinear",
]);

/** The values of the region's end for a start of each sample point; null where it is no function of it. */
export function sampled(region: Region, constants: Constants): number[] | null {
  const values: number[] = [];
  for (const x of points) {
    const known = new Map<Wire, number>([[region.from, x]]);
    for (const op of region.ops) {
      const y = evaluate(op, known, constants);
      if (y === null) return null;
      known.set(op.outputs[0]!, y);
    }
    values.push(known.get(region.to)!);
  }
  return values;
}

function evaluate(op: Op, known: ReadonlyMap<Wire, number>, constants: Constants): number | null {
  if (moves.has(op.type)) return known.get(op.inputs[0]!) ?? null;
  const rule = rules[op.type];
  if (!rule) return null;
  const args: number[] = [];
  for (const wire of op.inputs) {
    const value = wire ? (known.get(wire) ?? constants.scalar(wire)) : undefined;
    if (value === null) return null;
    args.push(value as number);
  }
  return rule(op, ...args);
}
