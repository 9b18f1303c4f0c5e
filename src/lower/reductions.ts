/** Axes folded, and what runs along one. */

import { binary } from "./arithmetic.ts";
import { accumulated, filled, folded, mapped } from "./arrays.ts";
import { asReal, grow, inFloat32, sizesTensor } from "./grow.ts";
import { checkKinds } from "./kinds.ts";
import type { Ground } from "./placement.ts";
import type { Tensor } from "./values.ts";

interface Fold {
  readonly op: string;
  readonly start: number;
  readonly step: (sum: number, element: number) => number;
}

const folds = {
  sum: { op: "ReduceSum", start: 0, step: (a, b) => a + b },
  mean: { op: "ReduceMean", start: 0, step: (a, b) => a + b },
  prod: { op: "ReduceProd", start: 1, step: (a, b) => a * b },
  max: { op: "ReduceMax", start: Number.NEGATIVE_INFINITY, step: Math.max },
  min: { op: "ReduceMin", start: Number.POSITIVE_INFINITY, step: Math.min },
} as const satisfies Record<string, Fold>;

export type Reduction = keyof typeof folds;

/** Folds axes (from 0), which stay as 1. */
export function reduce(
  ground: Ground,
  name: Reduction,
  given: Tensor,
  axes: readonly number[],
): Tensor {
  if (axes.length === 0) return given;
  const x = name === "mean" ? asReal(ground, given) : given;
  const { op, start, step } = folds[name];
  checkKinds(op, ground.opset, [x], name);
  if (x.kind === "known") {
    const result = folded(x, axes, start, step);
    const count = axes.reduce((n, axis) => n * x.shape[axis]!, 1);
    return name === "mean" ? mapped(result, (sum) => sum / count) : result;
  }
  const axesAreInput = ground.opset >= (name === "sum" ? 13 : 18);
  if (axesAreInput) return grow(ground, op, [x, sizesTensor(ground, axes)], { keepdims: 1 });
  return grow(ground, op, [x], { axes: [...axes], keepdims: 1 });
}

export function softmax(ground: Ground, given: Tensor, axis: number): Tensor {
  const x = asReal(ground, given);
  if (x.kind === "wire") return grow(ground, "Softmax", [x], { axis });
  const top = reduce(ground, "max", x, [axis]);
  const shifted = binary(ground, "-", x, top) as typeof x;
  const raised = mapped(shifted, Math.exp);
  return binary(ground, "/", raised, reduce(ground, "sum", raised, [axis])) as Tensor;
}

/** Running sums. */
export function cumsum(ground: Ground, x: Tensor, axis: number): Tensor {
  checkKinds("CumSum", ground.opset, [x], "cumsum");
  if (x.kind === "known") return accumulated(x, axis);
  return inFloat32(ground, x, (y) => grow(ground, "CumSum", [y, filled("int64", [], axis)]));
}

/** (x - mean) / sqrt(variance + eps) over an axis, in float32 at least. */
export function standardised(ground: Ground, x: Tensor, axis: number, epsilon: number): Tensor {
  const centred = binary(ground, "-", x, reduce(ground, "mean", x, [axis])) as Tensor;
  return scaledToUnit(ground, centred, axis, epsilon);
}

/** x / sqrt(mean(x^2) + eps) over an axis. */
export function scaledToUnit(ground: Ground, x: Tensor, axis: number, epsilon: number): Tensor {
  const square = binary(ground, "*", x, x) as Tensor;
  const power = binary(ground, "+", reduce(ground, "mean", square, [axis]), epsilon);
  return binary(ground, "/", x, binary(ground, "**", power, 0.5)) as Tensor;
}

/** Index of the greatest or least element, int64; the axis stays as 1. */
export function argExtreme(ground: Ground, op: "ArgMax" | "ArgMin", x: Tensor, axis: number) {
  return grow(ground, op, [x], { axis, keepdims: 1 });
}
