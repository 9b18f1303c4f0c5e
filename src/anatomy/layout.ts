/**
 * Where the elements of a value stand in an earlier one, through reshapes, transposes, slices and
 * repeats: how q, k and v are cut from projections, and whether an operation meets tokens or features.
 */
import type { Dim } from "../ir/types.ts";
import { divideDims } from "../onnx-ops/dims.ts";
import { normalAxis } from "../onnx-ops/op.ts";
import type { Constants } from "./constants.ts";
import { type Digit, regroup, sizeOf } from "./digits.ts";
import type { Op, Wire } from "./flow.ts";

export interface Layout {
  /** Digits of each axis, slowest first; axes of size 1 have none. */
  readonly axes: readonly (readonly Digit[])[];
  /** First index along each axis of the origin. */
  readonly offsets: ReadonlyMap<number, number>;
}

/** A value as its own origin; null where its rank is unknown. */
export function identityLayout(wire: Wire): Layout | null {
  const shape = wire.value?.type?.shape;
  return shape ? layoutOfShape(shape) : null;
}

export function layoutOfShape(shape: readonly Dim[]): Layout {
  const axes = shape.map((size, axis) => (size === 1 ? [] : [{ axis, size, stride: 1 }]));
  return { axes, offsets: new Map() };
}

type Transfer = (layout: Layout, op: Op, output: Wire, constants: Constants) => Layout | null;

/** The layout of an output of `op` whose data input has `layout`; null where it is not understood. */
export function carry(layout: Layout, op: Op, output: Wire, constants: Constants): Layout | null {
  return transfers[op.type]?.(layout, op, output, constants) ?? null;
}

export function isLayoutOp(op: Op): boolean {
  return op.type in transfers && op.type !== "Concat";
}

const keep: Transfer = (layout) => layout;

const reshape: Transfer = (layout, op, output, constants) => {
  const dims = output.value?.type?.shape ?? targetOf(layout, op, constants);
  if (!dims) return null;
  const axes = regroup(layout.axes.flat(), dims);
  return axes && { ...layout, axes };
};

/** Sizes of a Reshape from its target where the type of its output is unknown. */
function targetOf(layout: Layout, op: Op, constants: Constants): Dim[] | null {
  const target = constants.elements(op.inputs[1]);
  if (!target) return null;
  return target.map((dim, i) => {
    if (dim === 0) return sizeOf(layout.axes[i] ?? []);
    return dim === -1 ? null : dim;
  });
}

const transpose: Transfer = (layout, { node }) => {
  const perm = node.ints("perm") ?? layout.axes.map((_, i) => layout.axes.length - 1 - i);
  const axes = perm.map((axis) => layout.axes[axis]);
  return axes.every((digits) => digits !== undefined) ? { ...layout, axes } : null;
};

function axesOf(op: Op, rank: number, constants: Constants): number[] | null {
  const axes = op.node.ints("axes") ?? constants.known(op.inputs[1]);
  return axes?.map((axis) => normalAxis(axis, rank)) ?? null;
}

const squeeze: Transfer = (layout, op, _output, constants) => {
  const axes = axesOf(op, layout.axes.length, constants);
  if (!axes && op.inputs[1]) return null;
  const gone = (digits: readonly Digit[], i: number) =>
    axes ? axes.includes(i) : digits.length === 0;
  return { ...layout, axes: layout.axes.filter((digits, i) => !gone(digits, i)) };
};

const unsqueeze: Transfer = (layout, op, _output, constants) => {
  const count = op.node.ints("axes")?.length ?? constants.elements(op.inputs[1])?.length ?? 0;
  const fresh = axesOf(op, layout.axes.length + count, constants);
  if (!fresh) return null;
  const axes = [...layout.axes];
  for (const axis of [...fresh].sort((a, b) => a - b)) axes.splice(axis, 0, []);
  return { ...layout, axes };
};

const slice: Transfer = (layout, op, output, constants) => {
  const rank = layout.axes.length;
  const of = (index: number, name: string) =>
    op.node.ints(name) ?? constants.elements(op.inputs[index]);
  const [starts, ends] = [of(1, "starts"), of(2, "ends")];
  if (!starts || !ends) return null;
  const axes = of(3, "axes") ?? starts.map((_, i) => i);
  const steps = constants.elements(op.inputs[4]);
  if (steps?.some((step) => step !== 1)) return null;
  let result: Layout | null = layout;
  for (const [i, start] of starts.entries()) {
    const axis = axes[i];
    if (axis == null || !result) return null;
    const at = normalAxis(axis, rank);
    result = cut(result, at, start, ends[i] ?? null, output.value?.type?.shape?.[at] ?? null);
  }
  return result;
};

const split: Transfer = (layout, op, output) => {
  const rank = layout.axes.length;
  const axis = op.node.int("axis") ?? 0;
  const at = normalAxis(axis, rank);
  let start = 0;
  for (const wire of op.outputs) {
    const size = wire?.value?.type?.shape?.[at];
    if (wire === output)
      return typeof size === "number" ? cut(layout, at, start, start + size, size) : null;
    if (typeof size !== "number") return null;
    start += size;
  }
  return null;
};

/** A piece of what was split into a sequence, which lies as the whole does. */
const sequenceAt: Transfer = (layout, op, _output, constants) => {
  const whole = op.inputs[0]?.from;
  const index = constants.known(op.inputs[1])?.[0];
  const sizes = constants.known(whole?.inputs[1]);
  if (whole?.type !== "SplitToSequence" || index === undefined || !sizes) return null;
  const axis = whole.node.int("axis") ?? 0;
  const at = normalAxis(axis, layout.axes.length);
  const total = sizeOf(layout.axes[at] ?? []);
  if (typeof total !== "number") return null;
  const given = sizes.length > 1;
  const each = sizes[0]!;
  const place = index < 0 ? index + (given ? sizes.length : Math.ceil(total / each)) : index;
  const start = given ? sizes.slice(0, place).reduce((a, b) => a + b, 0) : place * each;
  const size = given ? sizes[place]! : Math.min(each, total - start);
  return size > 0 ? cut(layout, at, start, start + size, size) : null;
};

const gather: Transfer = (layout, op, output, constants) => {
  const axis = op.node.int("axis") ?? 0;
  const at = normalAxis(axis, layout.axes.length);
  const total = sizeOf(layout.axes[at] ?? []);
  const wrap = (index: number) => (index < 0 && typeof total === "number" ? index + total : index);
  const indices = constants.known(op.inputs[1])?.map(wrap);
  const first = indices?.[0];
  if (!indices || first === undefined || first < 0) return null;
  if (indices.some((x, i) => x !== first + i)) return null;
  const taken = cut(layout, at, first, first + indices.length, indices.length);
  const rank = output.value?.type?.shape?.length ?? layout.axes.length;
  if (!taken || rank >= layout.axes.length) return taken;
  return { ...taken, axes: taken.axes.filter((_, i) => i !== at) };
};

/** One index vector of length 1 picks one element of the first axis, which stays as an axis. */
const gatherOne: Transfer = (layout, op, _output, constants) => {
  const index = constants.known(op.inputs[1]);
  const total = sizeOf(layout.axes[0] ?? []);
  if (index?.length !== 1 || (op.node.int("batch_dims") ?? 0) !== 0) return null;
  const at = index[0]! < 0 && typeof total === "number" ? index[0]! + total : index[0]!;
  return at < 0 ? null : cut(layout, 0, at, at + 1, 1);
};

/** Axes of size 1 that grow hold repeats. */
const expand: Transfer = (layout, _op, output) => {
  const shape = output.value?.type?.shape;
  if (!shape) return null;
  const axes = shape.map((size, i): readonly Digit[] => {
    const old = layout.axes[i - shape.length + layout.axes.length] ?? [];
    return old.length > 0 || size === 1 ? old : [{ axis: -1, size, stride: 0 }];
  });
  return { ...layout, axes };
};

/** Whole axes once more behind themselves. */
const tile: Transfer = (layout, op, output, constants) => {
  const times = constants.elements(op.inputs[1]);
  const shape = output.value?.type?.shape;
  const axes = layout.axes.map((digits, i): readonly Digit[] | null => {
    const size = times?.[i] ?? divideDims(shape?.[i] ?? null, sizeOf(digits)) ?? null;
    if (size === null) return null;
    return size === 1 ? digits : [{ axis: -1, size, stride: 0 }, ...digits];
  });
  return axes.every((digits) => digits !== null) ? { ...layout, axes } : null;
};

/** Something is joined on along an axis; which steps it counts is not known any more. */
const concat: Transfer = (layout, op, output) => {
  const axis = op.node.int("axis") ?? 0;
  const at = normalAxis(axis, layout.axes.length);
  const size = output.value?.type?.shape?.[at] ?? null;
  const origin = layout.axes[at]?.[0]?.axis ?? -1;
  const axes = layout.axes.map((digits, i) =>
    i === at ? [{ axis: origin, size, stride: null }] : digits,
  );
  return { ...layout, axes };
};

const transfers: Readonly<Record<string, Transfer>> = {
  Identity: keep,
  Cast: keep,
  Dropout: keep,
  QuantizeLinear: keep,
  DequantizeLinear: keep,
  Reshape: reshape,
  Flatten: reshape,
  Transpose: transpose,
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  Slice: slice,
  Split: split,
  SplitToSequence: keep,
  SequenceAt: sequenceAt,
  Gather: gather,
  GatherND: gatherOne,
  Expand: expand,
  Tile: tile,
  Concat: concat,
};

/** Elements start .. end of an axis. */
function cut(
  layout: Layout,
  at: number,
  start: number | null,
  end: number | null,
  size: Dim,
): Layout | null {
  const digits = layout.axes[at];
  if (!digits || start === null) return null;
  const total = sizeOf(digits);
  const replaced = (fresh: readonly Digit[], origin: number, shift: number): Layout => ({
    axes: layout.axes.map((old, i) => (i === at ? fresh : old)),
    offsets: shift
      ? new Map(layout.offsets).set(origin, (layout.offsets.get(origin) ?? 0) + shift)
      : layout.offsets,
  });
  if (typeof total !== "number") {
    if (start === 0 && end !== null && end > 2 ** 30) return layout;
    const [only] = digits;
    if (digits.length !== 1) return null;
    return replaced([{ ...only!, size, stride: null }], only!.axis, 0);
  }
  const from = start < 0 ? Math.max(start + total, 0) : Math.min(start, total);
  const to = end === null ? from + Number(size) : end < 0 ? end + total : Math.min(end, total);
  if (from === 0 && to === total) return layout;
  const [first, ...rest] = digits;
  if (!first || typeof first.stride !== "number" || !(to > from)) return null;
  const inner = sizeOf(rest) as number;
  if (from % inner === 0 && to % inner === 0) {
    const count = (to - from) / inner;
    const kept = count === 1 ? [] : [{ ...first, size: count }];
    return replaced([...kept, ...rest], first.axis, (from / inner) * first.stride);
  }
  const row = Math.floor(from / inner);
  if (row !== Math.floor((to - 1) / inner)) return null;
  const within = replaced(rest, first.axis, row * first.stride);
  return cut(within, at, from - row * inner, to - row * inner, size);
}
