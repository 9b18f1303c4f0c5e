import type { DType } from "../../src/ir/types.ts";
import { type Tensor, valuesOf } from "../session/tensor.ts";

export interface Difference {
  /** The largest of |a - b|; Infinity where one is finite and the other is not. */
  readonly absolute: number;
  /** The same in units of the largest |a|; 0 where there is no difference. */
  readonly relative: number;
  /** The largest |a|. */
  readonly scale: number;
}

/** The spacing of numbers of a type around 1: what one rounding may be off by. 0: exact. */
export function roundingUnit(dtype: DType): number {
  const units: Partial<Record<DType, number>> = {
    float64: 2 ** -52,
    float32: 2 ** -23,
    float16: 2 ** -10,
    bfloat16: 2 ** -7,
  };
  return units[dtype] ?? 0;
}

/** How far two tensors of one shape are apart; other shapes are infinitely far. */
export function differenceOf(a: Tensor, b: Tensor): Difference {
  const [x, y] = [valuesOf(a), valuesOf(b)];
  const alike = a.shape.length === b.shape.length && a.shape.every((n, i) => n === b.shape[i]);
  let absolute = alike ? 0 : Number.POSITIVE_INFINITY;
  let scale = 0;
  for (let i = 0; i < x.length; i++) {
    if (Number.isFinite(x[i]!)) scale = Math.max(scale, Math.abs(x[i]!));
    if (!alike || Object.is(x[i], y[i])) continue;
    const off = Math.abs(x[i]! - y[i]!);
    absolute = Number.isNaN(off) ? Number.POSITIVE_INFINITY : Math.max(absolute, off);
  }
  return { absolute, relative: absolute === 0 ? 0 : absolute / scale, scale };
}
