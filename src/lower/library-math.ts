/** The library's functions that compute. */

import { fail } from "../diag/diagnostic.ts";
import { binary, isNumber, matmul, where } from "./arithmetic.ts";
import {
  clip,
  elementwise,
  elementwiseNames,
  gelu,
  leakyRelu,
  modulo,
} from "./functions-elementwise.ts";
import { asReal, isStrong } from "./grow.ts";
import { axisOf } from "./movement.ts";
import {
  asTensor,
  axes,
  choice,
  define,
  type LibraryFunction,
  number,
  operand,
  rest,
  tensor,
  whole,
} from "./params.ts";
import type { Ground } from "./placement.ts";
import { argExtreme, cumsum, type Reduction, reduce, softmax } from "./reductions.ts";
import { extreme, rounded } from "./size-arithmetic.ts";
import { isOperand, type Operand, show, type Tensor, type Val } from "./values.ts";

const axis = () => whole("axis", -1);

const of = (name: string) => define([operand("x")], (g, x) => elementwise(g, name, x));

export const mathFunctions: Readonly<Record<string, LibraryFunction>> = {
  ...Object.fromEntries(elementwiseNames.map((name) => [name, of(name)])),
  /** Of a size too. */
  floor: rounding("floor"),
  ceil: rounding("ceil"),
  /** Half away from zero. */
  round: rounding("round"),

  gelu: define([operand("x"), choice("approximate", ["none", "tanh"], "none")], gelu),
  leaky_relu: define([operand("x"), number("slope", 0.01)], leakyRelu),
  swish: of("silu"),

  matmul: define([operand("a"), operand("b")], matmul),
  /** a where the condition holds, else b. */
  select: define([operand("condition"), operand("a"), operand("b")], where),
  clip: define([operand("x"), operand("low"), operand("high")], clip),
  mod: define([operand("a"), operand("b")], modulo),
  pow: define([operand("x"), operand("exponent")], (g, x, y) => binary(g, "**", x, y)),

  sum: reduction("sum"),
  mean: reduction("mean"),
  prod: reduction("prod"),
  /** The greatest of several, or along an axis of one. */
  max: define([rest("x"), axes()], (g, values, on) => extremeOf(g, "max", values, on)),
  min: define([rest("x"), axes()], (g, values, on) => extremeOf(g, "min", values, on)),
  /** Whether a size, or a tensor, is known when the model is compiled. */
  known: define([operand("x")], (_, x) => !(typeof x === "object" && x.kind !== "known")),
  argmax: define([tensor("x"), axis()], (g, x, at) => argExtreme(g, "ArgMax", x, axisOf(x, at))),
  argmin: define([tensor("x"), axis()], (g, x, at) => argExtreme(g, "ArgMin", x, axisOf(x, at))),
  /** The mean square distance from the mean (of all n, not n - 1). */
  var: define([tensor("x"), axes()], (g, given, on) => {
    const x = asReal(g, given);
    const at = on.map((axis) => axisOf(x, axis));
    const centred = binary(g, "-", x, reduce(g, "mean", x, at));
    return reduce(g, "mean", binary(g, "*", centred, centred) as Tensor, at);
  }),
  /** x / max(|x|, eps) */
  normalize: define([tensor("x"), axis(), number("eps", 1e-12)], (g, given, at, eps) => {
    const x = asReal(g, given);
    const square = binary(g, "*", x, x) as Tensor;
    const length = elementwise(g, "sqrt", reduce(g, "sum", square, [axisOf(x, at)]));
    return binary(g, "/", x, binary(g, "max", length, eps));
  }),

  /** log(sum(exp(x))), safe from overflow. */
  logsumexp: define([tensor("x"), axes()], (g, given, on) => {
    const x = asReal(g, given);
    const at = on.map((axis) => axisOf(x, axis));
    const top = reduce(g, "max", x, at);
    const raised = elementwise(g, "exp", binary(g, "-", x, top)) as Tensor;
    return binary(g, "+", top, elementwise(g, "log", reduce(g, "sum", raised, at)));
  }),
  softmax: define([tensor("x"), axis()], (g, x, at) => softmax(g, x, axisOf(x, at))),
  log_softmax: define([tensor("x"), axis()], (g, given, at) => {
    const x = asReal(g, given);
    const on = [axisOf(x, at)];
    const shifted = binary(g, "-", x, reduce(g, "max", x, on));
    const total = reduce(g, "sum", elementwise(g, "exp", shifted) as Tensor, on);
    return binary(g, "-", shifted, elementwise(g, "log", total));
  }),
  cumsum: define([tensor("x"), axis()], (g, x, at) => cumsum(g, x, axisOf(x, at))),
};

/** Reductions keep the axis. */
function reduction(name: Reduction): LibraryFunction {
  return define([tensor("x"), axes()], (g, x, on) =>
    reduce(
      g,
      name,
      x,
      on.map((axis) => axisOf(x, axis)),
    ),
  );
}

/** A size stays one; a quotient of sizes is rounded when the model runs. */
function rounding(name: "floor" | "ceil" | "round"): LibraryFunction {
  return define([operand("x")], (g, x) => {
    return typeof x === "object" && x.kind === "size"
      ? rounded(g, name, x)
      : elementwise(g, name, x);
  });
}

function extremeOf(
  ground: Ground,
  name: "min" | "max",
  values: readonly Val[],
  on: readonly number[],
): Val {
  const wrong = values.find((value) => !isOperand(value));
  if (wrong !== undefined || values.length === 0) {
    const got = wrong === undefined ? "nothing" : show(wrong);
    throw fail("wrong-value", { what: `\`${name}\``, wanted: "tensors or numbers", got });
  }
  const operands = values.filter(isOperand);
  const [only] = operands;
  if (operands.length === 1 && isStrong(only!)) {
    const x = asTensor(ground, only!);
    return reduce(
      ground,
      name,
      x,
      on.map((axis) => axisOf(x, axis)),
    );
  }
  return operands.reduce<Operand>((a, b) => {
    const sized = isNumber(a) && isNumber(b) ? extreme(ground, name, a, b) : undefined;
    return sized ?? binary(ground, name, a, b);
  }, operands[0]!);
}
