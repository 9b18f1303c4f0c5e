/** Tensors known at compile time: row-major float64, broadcast as NumPy's are. */

import { fail } from "../diag/diagnostic.ts";
import { type DType, elements, showShape } from "../ir/types.ts";
import { broadcast, refuse } from "../onnx-ops/op.ts";
import type { Known } from "./values.ts";

/** More than any mask or table needs; a slip of the author's asks for more. */
const mostElements = 2 ** 27;

/**
 * Zeros for a tensor of this shape.
 * @throws GraftError `impossible-size` for negative sizes, and those that no memory holds.
 */
export function room(shape: readonly number[]): Float64Array {
  const count = elements(shape);
  const sound = shape.every((dim) => Number.isInteger(dim) && dim >= 0);
  if (!sound || count > mostElements) throw fail("impossible-size", { shape: showShape(shape) });
  return new Float64Array(count);
}

export function known(dtype: DType, shape: readonly number[], data: ArrayLike<number>): Known {
  return { kind: "known", dtype, shape, data: Float64Array.from(data) };
}

export function filled(dtype: DType, shape: readonly number[], value: number): Known {
  return { kind: "known", dtype, shape, data: room(shape).fill(value) };
}

/** Made element by element, from its indices. */
export function built(
  dtype: DType,
  shape: readonly number[],
  element: (...index: number[]) => number,
): Known {
  const data = room(shape);
  const index = shape.map(() => 0);
  for (let i = 0; i < data.length; i++) {
    data[i] = element(...index);
    for (let axis = shape.length - 1; axis >= 0 && ++index[axis]! === shape[axis]; axis--) {
      index[axis] = 0;
    }
  }
  return { kind: "known", dtype, shape, data };
}

export function mapped(x: Known, apply: (element: number) => number, dtype = x.dtype): Known {
  return { ...x, dtype, data: x.data.map(apply) };
}

function stridesOf(shape: readonly number[]): number[] {
  const strides = shape.map(() => 1);
  for (let axis = shape.length - 2; axis >= 0; axis--) {
    strides[axis] = strides[axis + 1]! * shape[axis + 1]!;
  }
  return strides;
}

/** Visits `shape` in order, with the offset that strides give at each element. */
function walk(
  shape: readonly number[],
  strides: readonly number[],
  start: number,
  visit: (offset: number, i: number) => void,
): void {
  const count = elements(shape);
  const index = shape.map(() => 0);
  let offset = start;
  for (let i = 0; i < count; i++) {
    visit(offset, i);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      offset += strides[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      offset -= strides[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
}

/** A copy of what the strides select. */
function gathered(x: Known, shape: readonly number[], strides: readonly number[], start = 0) {
  const data = room(shape);
  walk(shape, strides, start, (offset, i) => {
    data[i] = x.data[offset]!;
  });
  return { ...x, shape, data };
}

/** Two or three operands. @throws GraftError where they do not broadcast; `op` names it. */
export function zipped(
  op: string,
  operands: readonly Known[],
  dtype: DType,
  apply: (...elements: number[]) => number,
): Known {
  const shape = broadcast(op, operands) as readonly number[];
  const [a, b, c] = operands.map((operand) => expanded(operand, shape).data);
  const data = room(shape);
  for (let i = 0; i < data.length; i++) {
    data[i] = c ? apply(a![i]!, b![i]!, c[i]!) : apply(a![i]!, b![i]!);
  }
  return { kind: "known", dtype, shape, data };
}

export function expanded(x: Known, shape: readonly number[]): Known {
  if (shape.join() === x.shape.join()) return x;
  const own = stridesOf(x.shape);
  const extra = shape.length - x.shape.length;
  const strides = shape.map((dim, i) =>
    i < extra || x.shape[i - extra] !== dim ? 0 : own[i - extra]!,
  );
  return gathered(x, shape, strides);
}

export function reshaped(x: Known, shape: readonly number[]): Known {
  if (elements(shape) !== x.data.length) {
    refuse("reshape", [x], `${x.data.length} elements do not fill [${shape.join(", ")}]`);
  }
  return { ...x, shape };
}

export function permuted(x: Known, order: readonly number[]): Known {
  const strides = stridesOf(x.shape);
  return gathered(
    x,
    order.map((axis) => x.shape[axis]!),
    order.map((axis) => strides[axis]!),
  );
}

/** Elements `from` to `to` (half-open, from 0) of an axis. */
export function sliced(x: Known, axis: number, from: number, to: number): Known {
  const strides = stridesOf(x.shape);
  return gathered(x, x.shape.with(axis, to - from), strides, from * strides[axis]!);
}

export function joined(parts: readonly Known[], axis: number): Known {
  const first = parts[0]!;
  const total = parts.reduce((sum, { shape }) => sum + shape[axis]!, 0);
  const shape = first.shape.with(axis, total);
  const inner = elements(first.shape.slice(axis + 1));
  const outer = elements(first.shape.slice(0, axis));
  const data = room(shape);
  let at = 0;
  for (let i = 0; i < outer; i++) {
    for (const part of parts) {
      const run = part.shape[axis]! * inner;
      data.set(part.data.subarray(i * run, (i + 1) * run), at);
      at += run;
    }
  }
  return { ...first, shape, data };
}

/** Rows of `axis` picked by index; the picks' shape takes the place of the axis. */
export function picked(x: Known, indices: Known, axis: number): Known {
  const size = x.shape[axis]!;
  const parts = [...indices.data].map((index) => {
    const row = index < 0 ? index + size : index;
    if (row < 0 || row >= size) refuse("gather", [x], `axis ${axis} has no element ${index}`);
    return sliced(x, axis, row, row + 1);
  });
  const shape = [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)];
  if (parts.length === 0) return { ...x, shape, data: new Float64Array(0) };
  return reshaped(joined(parts, axis), shape);
}

/** Folds axes to 1. */
export function folded(
  x: Known,
  axes: readonly number[],
  start: number,
  step: (sum: number, element: number) => number,
): Known {
  const shape = x.shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim));
  const own = stridesOf(shape);
  const strides = x.shape.map((_, axis) => (axes.includes(axis) ? 0 : own[axis]!));
  const data = room(shape).fill(start);
  walk(x.shape, strides, 0, (offset, i) => {
    data[offset] = step(data[offset]!, x.data[i]!);
  });
  return { ...x, shape, data };
}

/** Running sums along an axis. */
export function accumulated(x: Known, axis: number): Known {
  const stride = stridesOf(x.shape)[axis]!;
  const data = x.data.slice();
  for (let i = 0; i < data.length; i++) {
    if (Math.floor(i / stride) % x.shape[axis]! > 0) data[i] = data[i]! + data[i - stride]!;
  }
  return { ...x, data };
}

/** NumPy's matmul for operands of rank 2 and more. */
export function multiplied(a: Known, b: Known): Known {
  const [m, k, n] = [a.shape.at(-2)!, a.shape.at(-1)!, b.shape.at(-1)!];
  const batch = broadcast("@", [
    { ...a, shape: a.shape.slice(0, -2) },
    { ...b, shape: b.shape.slice(0, -2) },
  ]) as readonly number[];
  const left = expanded(a, [...batch, m, k]).data;
  const right = expanded(b, [...batch, k, n]).data;
  const data = room([...batch, m, n]);
  for (let z = 0; z < elements(batch); z++) {
    for (let i = 0; i < m; i++) {
      for (let l = 0; l < k; l++) {
        const factor = left[(z * m + i) * k + l]!;
        for (let j = 0; j < n; j++) {
          const at = (z * m + i) * n + j;
          data[at] = data[at]! + factor * right[(z * k + l) * n + j]!;
        }
      }
    }
  }
  return { kind: "known", dtype: a.dtype, shape: [...batch, m, n], data };
}
