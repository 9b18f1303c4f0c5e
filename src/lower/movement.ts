/** Tensors moved and cut without changing an element. */
import { fail } from "../diag/diagnostic.ts";
import type { Value } from "../ir/graph.ts";
import type { Dim } from "../ir/types.ts";
import { addDims, divideDims, endless, productOf, subtractDims } from "../onnx-ops/dims.ts";
import { mayEqual, normalAxis, refuse } from "../onnx-ops/op.ts";
import { expanded, joined, permuted, picked, reshaped, room, sliced } from "./arrays.ts";
import { grow, growAll, sizesTensor } from "./grow.ts";
import { checkKinds } from "./kinds.ts";
import type { Ground } from "./placement.ts";
import type { Extent, Known, Tensor, Wire } from "./values.ts";

/** From 0. @throws GraftError where the tensor has no such axis. */
export function axisOf(x: Tensor, axis: number, extra = 0): number {
  const rank = x.shape.length + extra;
  if (Number.isInteger(axis) && axis >= -rank && axis < rank) return normalAxis(axis, rank);
  const hint = rank === 0 ? null : `axes are 0..${rank - 1}, or ${-rank}..-1 from the end`;
  throw fail("no-such-axis", { axis, rank: x.shape.length }, { hint });
}

/** One size may be -1: what is left. */
export function reshape(ground: Ground, x: Tensor, dims: readonly Extent[]): Tensor {
  const open = dims.filter((dim) => typeof dim === "number" && dim < 0);
  if (open.length > 1 || (open[0] ?? -1) !== -1) {
    const why = open.length > 1 ? "only one size may be -1" : `no size is ${open[0]}`;
    refuse("reshape", [x], why);
  }
  const rest = productOf(dims.filter((dim) => dim !== -1));
  const left = divideDims(productOf(x.shape), rest) ?? -1;
  const target = dims.map((dim) => (dim === -1 ? left : dim));
  if (target.join() === x.shape.join()) return x;
  const source = x.kind === "wire" && reshapedFrom.get(x.value);
  if (source && !target.includes(-1)) return reshape(ground, source, target);
  if (x.kind === "known") {
    const numbers = target.filter((dim) => typeof dim === "number" && dim >= 0);
    if (numbers.length < target.length) refuse("reshape", [x], `not to [${dims.join(", ")}]`);
    return reshaped(x, numbers as number[]);
  }
  const result = grow(ground, "Reshape", [x, reshapeTarget(ground, x, target)]);
  reshapedFrom.set(result.value, x);
  return result;
}

/** What a Reshape read, so that several become one or none. */
const reshapedFrom = new WeakMap<Value, Wire>();

/** Literal sizes where that says it: 0 copies an axis, -1 is the one that is left. */
function reshapeTarget(ground: Ground, x: Wire, target: readonly Extent[]): Wire {
  const symbolic = target.filter((dim) => typeof dim === "string");
  const lone = symbolic.length + (target.includes(-1) ? 1 : 0) === 1;
  const literal = target.map((dim, i) => {
    if (typeof dim === "number") return dim;
    if (lone) return -1;
    return x.shape[i] === dim ? 0 : dim;
  });
  const rest = literal.filter((dim) => typeof dim === "string");
  if (rest.length === 1 && !literal.includes(-1)) literal[literal.indexOf(rest[0]!)] = -1;
  const settled = literal.every((dim) => typeof dim === "number");
  const value = settled ? ground.patch.ints(literal) : ground.sizes.vector(target);
  return { kind: "wire", dtype: "int64", shape: [target.length], value, ints: target };
}

/** What a Transpose read, so that two of them become one or none. */
const transposed = new WeakMap<Value, { readonly from: Wire; readonly order: readonly number[] }>();

/** Axis i of the result is axis `order[i]` of x. */
export function permute(ground: Ground, x: Tensor, order: readonly number[]): Tensor {
  if (order.every((axis, i) => axis === i)) return x;
  if (x.kind === "known") return permuted(x, order);
  const inner = transposed.get(x.value);
  if (inner)
    return permute(
      ground,
      inner.from,
      order.map((axis) => inner.order[axis]!),
    );
  const result = grow(ground, "Transpose", [x], { perm: order });
  transposed.set(result.value, { from: x, order });
  return result;
}

/** Exchanges two axes. */
export function swapAxes(ground: Ground, x: Tensor, a: number, b: number): Tensor {
  const [first, second] = [axisOf(x, a), axisOf(x, b)];
  const order = x.shape.map((_, i) => (i === first ? second : i === second ? first : i));
  return permute(ground, x, order);
}

/** Operands are of one type. */
export function concat(ground: Ground, all: readonly Tensor[], axis: number): Tensor {
  const at = axisOf(all[0]!, axis);
  const filled = all.filter(({ shape }) => shape[at] !== 0);
  const parts = filled.length > 0 ? filled : all.slice(0, 1);
  const [first] = parts;
  if (parts.length === 1) return first!;
  if (parts.some((part) => part.kind === "wire")) {
    return grow(ground, "Concat", parts, { axis: at });
  }
  const same = ({ shape }: Tensor) =>
    shape.length === first!.shape.length &&
    shape.every((d, i) => i === at || d === first!.shape[i]);
  if (!parts.every(same)) refuse("concat", parts, `all axes but ${at} have to be equal`);
  return joined(parts as Known[], at);
}

export interface Range {
  readonly axis: number;
  /** Python's bounds: from the end where negative, open where null. */
  readonly from: Extent | null;
  readonly to: Extent | null;
}

export function slice(ground: Ground, x: Tensor, ranges: readonly Range[]): Tensor {
  const cuts = ranges.flatMap((range) => cutOf(x, range));
  if (cuts.length === 0) return x;
  if (x.kind === "known" && cuts.every(isNumeric)) {
    return cuts.reduce((y, { axis, from, to }) => sliced(y, axis, from, Math.max(from, to)), x);
  }
  const [starts, ends] = [cuts.map(({ from }) => from), cuts.map(({ to }) => to)];
  return grow(ground, "Slice", [
    x,
    sizesTensor(ground, starts),
    sizesTensor(ground, ends),
    sizesTensor(
      ground,
      cuts.map(({ axis }) => axis),
    ),
  ]);
}

interface Cut {
  readonly axis: number;
  readonly from: Extent;
  readonly to: Extent;
}

function isNumeric(cut: Cut): cut is Cut & { readonly from: number; readonly to: number } {
  return typeof cut.from === "number" && typeof cut.to === "number";
}

/** Bounds as numbers from 0 where the axis allows; nothing where all of it stays. */
function cutOf(x: Tensor, { axis, from, to }: Range): Cut[] {
  const size = x.shape[axis]!;
  const start = from ?? 0;
  if (typeof size !== "number") {
    const whole = start === 0 && (to === null || to === size);
    return whole ? [] : [{ axis, from: start, to: to ?? endless }];
  }
  const clamp = (bound: Extent) =>
    typeof bound === "number"
      ? Math.min(Math.max(bound < 0 ? bound + size : bound, 0), size)
      : bound;
  const cut = { axis, from: clamp(start), to: clamp(to ?? size) };
  return cut.from === 0 && cut.to === size ? [] : [cut];
}

/** Pieces of these sizes along an axis (from 0). */
export function split(ground: Ground, x: Tensor, sizes: readonly Extent[], axis: number): Tensor[] {
  const whole = x.shape[axis]!;
  const total = sizes.reduce<Dim>(addDims, 0);
  if (!mayEqual(total, whole)) {
    refuse("split", [x], `[${sizes.join(", ")}] add up to ${total}, axis ${axis} has ${whole}`);
  }
  if (sizes.length === 1) return [x];
  if (x.kind === "wire") {
    return growAll(ground, "Split", [x, sizesTensor(ground, sizes)], {
      attributes: { axis },
      outputs: sizes.length,
    });
  }
  const numbers = sizes as readonly number[];
  const ends = numbers.map((_, i) => numbers.slice(0, i + 1).reduce((a, b) => a + b, 0));
  return ends.map((end, i) => sliced(x, axis, end - numbers[i]!, end));
}

/** The order of an axis turned round. */
export function flip(ground: Ground, x: Tensor, axis: number): Tensor {
  if (x.kind === "known") {
    const count = x.shape[axis]!;
    return joined(
      Array.from({ length: count }, (_, i) => sliced(x, axis, count - 1 - i, count - i)),
      axis,
    );
  }
  const bounds = [-1, -endless, axis, -1].map((bound) => sizesTensor(ground, [bound]));
  return grow(ground, "Slice", [x, ...bounds]);
}

/** Adds rows before and after, of `value`, or copies as ONNX's modes `edge` and `reflect` make. */
export function pad(
  ground: Ground,
  x: Tensor,
  axis: number,
  [before, after]: readonly [Extent, Extent],
  { value = 0, mode = "constant" } = {},
): Tensor {
  if (before === 0 && after === 0) return x;
  if (
    x.kind === "known" &&
    mode === "constant" &&
    Number.isInteger(before) &&
    Number.isInteger(after)
  ) {
    const rows = (count: Extent): Known => {
      const shape = x.shape.with(axis, Number(count));
      return { ...x, shape, data: room(shape).fill(value) };
    };
    return joined([rows(before), x, rows(after)], axis);
  }
  const none = x.shape.map(() => 0);
  const pads = sizesTensor(ground, [
    ...(none as Extent[]).with(axis, before),
    ...(none as Extent[]).with(axis, after),
  ]);
  const fill = { kind: "known", dtype: x.dtype, shape: [], data: Float64Array.of(value) } as const;
  return grow(ground, "Pad", value === 0 ? [x, pads] : [x, pads, fill], { mode });
}

/** Makes axes of 1; `axes` count in the result. */
export function unsqueeze(ground: Ground, x: Tensor, axes: readonly number[]): Tensor {
  if (axes.length === 0) return x;
  const fresh = axes.map((axis) => axisOf(x, axis, axes.length));
  if (x.kind === "wire") return grow(ground, "Unsqueeze", [x, sizesTensor(ground, fresh)]);
  const rest = [...x.shape];
  const rank = rest.length + fresh.length;
  return reshaped(
    x,
    Array.from({ length: rank }, (_, i) => (fresh.includes(i) ? 1 : rest.shift()!)),
  );
}

/** Drops axes of 1. */
export function squeeze(ground: Ground, x: Tensor, axes: readonly number[]): Tensor {
  if (axes.length === 0) return x;
  const gone = axes.map((axis) => axisOf(x, axis));
  if (x.kind === "wire") return grow(ground, "Squeeze", [x, sizesTensor(ground, gone)]);
  if (gone.some((axis) => x.shape[axis] !== 1)) refuse("squeeze", [x], "only axes of 1 can go");
  return reshaped(
    x,
    x.shape.filter((_, i) => !gone.includes(i)),
  );
}

export function expand(ground: Ground, x: Tensor, dims: readonly Extent[]): Tensor {
  if (dims.join() === x.shape.join()) return x;
  if (x.kind === "known" && dims.every((dim) => typeof dim === "number")) {
    const fits = x.shape.every((d, i) => d === 1 || d === dims[dims.length - x.shape.length + i]);
    if (!fits || dims.length < x.shape.length) refuse("expand", [x], `not to [${dims.join(", ")}]`);
    return expanded(x, dims);
  }
  return grow(ground, "Expand", [x, sizesTensor(ground, dims)]);
}

/** Elements of an axis by index; the indices' shape takes its place. */
export function gather(ground: Ground, x: Tensor, indices: Tensor, axis: number): Tensor {
  checkKinds("Gather", ground.opset, [x, indices]);
  const size = x.shape[axis]!;
  if (indices.kind === "known" && typeof size === "number") {
    const beyond = indices.data.find((index) => index < -size || index >= size);
    if (beyond !== undefined) throw fail("no-such-element", { index: beyond, count: size });
  }
  if (x.kind === "known" && indices.kind === "known") return picked(x, indices, axis);
  return grow(ground, "Gather", [x, indices], { axis });
}

/** Zeros behind, up to a size. */
export function padTo(ground: Ground, x: Tensor, axis: number, size: Extent): Tensor {
  return pad(ground, x, axis, [0, subtractDims(size, x.shape[axis]!) as Extent]);
}
