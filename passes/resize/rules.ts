/** How marks pass through operators that do not multiply matrices: one row an operator. */
import { normalAxis } from "../../src/onnx-ops/op.ts";
import { type Mark, onAxis, type Rule, sameUnits, sizeOf, type View } from "./marks.ts";
import { products } from "./rules-products.ts";
import { reshape } from "./rules-reshape.ts";

const same: Rule = (view) => view.node.outputs.map(() => view.mark(0));

/**
 * Elementwise with broadcasting: marks have to meet on one axis. A stored operand with an element
 * for each unit is cut along with the rest.
 * @param neutral what new units of such an operand get.
 */
function meet(view: View, inputs: readonly number[], neutral: "one" | "zero"): Mark | null {
  const marks = inputs.flatMap((input) => {
    const mark = view.mark(input);
    return mark ? [{ mark, fromEnd: mark.axis - view.shape(input).length }] : [];
  });
  const first = marks[0];
  if (!first) return null;
  if (!marks.every((m) => m.fromEnd === first.fromEnd && sameUnits(m.mark, first.mark))) {
    view.refuse("it joins different orders of them");
  }
  for (const input of inputs) {
    if (view.mark(input) || !view.has(input)) continue;
    const shape = view.shape(input);
    const dim = shape[shape.length + first.fromEnd] ?? 1;
    if (dim === 1) continue;
    if (dim !== sizeOf(first.mark, view.units)) view.refuse("it has a value of its own for each");
    view.addTensor(input, onAxis(first.mark, shape.length + first.fromEnd), neutral);
  }
  return onAxis(first.mark, view.outputShape(0).length + first.fromEnd);
}

const elementwise =
  (neutral: "one" | "zero"): Rule =>
  (view) => {
    const mark = meet(view, [...view.node.inputs.keys()], neutral);
    return view.node.outputs.map(() => mark);
  };

/** May normalise or sum over other axes than the marked one. */
function apartFrom(axes: (view: View) => readonly number[], keeps: (view: View) => boolean): Rule {
  return (view) => {
    const mark = view.mark(0);
    if (!mark) return view.node.outputs.map(() => null);
    const rank = view.shape(0).length;
    const reduced = axes(view).map((axis) => normalAxis(axis, rank));
    if (reduced.includes(mark.axis)) view.refuse("it mixes them");
    const lost = keeps(view) ? 0 : reduced.filter((axis) => axis < mark.axis).length;
    return view.node.outputs.map((_, i) => (i === 0 ? onAxis(mark, mark.axis - lost) : null));
  };
}

const oneAxis = (normal: number) => (view: View) => [view.node.int("axis") ?? normal];
const fromAxis = (normal: number) => (view: View) => {
  const rank = view.shape(0).length;
  const axis = normalAxis(view.node.int("axis") ?? normal, rank);
  return Array.from({ length: rank - axis }, (_, i) => axis + i);
};
const always = () => true;

/** Axes by attribute or second input; null where neither says them. */
function axesOf(view: View): readonly number[] | null {
  const named = view.node.ints("axes");
  if (named || !view.has(1)) return named ?? null;
  const axes = view.ints(1);
  return axes?.every((axis) => axis !== null) ? axes : view.refuse("its axes are computed");
}

const reduction = apartFrom(
  (view) => {
    const axes = axesOf(view);
    return axes ?? view.shape(0).map((_, i) => i);
  },
  (view) => (view.node.int("keepdims") ?? 1) === 1,
);

const transpose: Rule = (view) => {
  const mark = view.mark(0);
  const rank = view.shape(0).length;
  const perm = view.node.ints("perm") ?? Array.from({ length: rank }, (_, i) => rank - 1 - i);
  return [mark && onAxis(mark, perm.indexOf(mark.axis))];
};

const unsqueeze: Rule = (view) => {
  const mark = view.mark(0);
  if (!mark) return [null];
  const rank = view.outputShape(0).length;
  const axes = axesOf(view) ?? [];
  const added = new Set(axes.map((axis) => normalAxis(axis, rank)));
  const kept = Array.from({ length: rank }, (_, i) => i).filter((axis) => !added.has(axis));
  return [onAxis(mark, kept[mark.axis]!)];
};

const squeeze: Rule = (view) => {
  const mark = view.mark(0);
  if (!mark) return [null];
  const shape = view.shape(0);
  const given = axesOf(view);
  const axes = given
    ? given.map((axis) => normalAxis(axis, shape.length))
    : shape.flatMap((dim, axis) => (dim === 1 ? [axis] : []));
  if (axes.includes(mark.axis)) view.refuse("it takes their axis away");
  return [onAxis(mark, mark.axis - axes.filter((axis) => axis < mark.axis).length)];
};

/** Splitting other axes leaves a mark alone; its own axis only falls apart into whole runs of units. */
const split: Rule = (view) => {
  const mark = view.mark(0);
  if (!mark) return view.node.outputs.map(() => null);
  if (normalAxis(view.node.int("axis") ?? 0, view.shape(0).length) !== mark.axis) {
    return view.node.outputs.map(() => mark);
  }
  const marks = view.node.outputs.map((_, i) => {
    const outer = Number(view.outputShape(i)[mark.axis]) / (view.units * mark.inner);
    return Number.isInteger(outer) ? { ...mark, outer } : view.refuse("it splits between them");
  });
  if (view.has(1))
    view.setInts(
      1,
      marks.map((each) => sizeOf(each, view.resized)),
    );
  return marks;
};

/** Into pieces of equal size, or of sizes given; the sequence has the mark of the whole. */
const splitToSequence: Rule = (view) => {
  const mark = view.mark(0);
  if (!mark) return [null];
  const rank = view.shape(0).length;
  if (normalAxis(view.node.int("axis") ?? 0, rank) !== mark.axis) return [mark];
  const [sizes, total] = [view.stored(1), sizeOf(mark, view.units)];
  if (!sizes || total === null) return view.refuse("its sizes are computed");
  const [each] = sizes;
  const run = view.units * mark.inner;
  const all = sizes.length > 1 ? sizes : Array<number>(Math.ceil(total / each!)).fill(each!);
  const uneven = all.reduce((sum, size) => sum + size) !== total;
  if (uneven || all.some((size) => size % run !== 0)) view.refuse("it splits between them");
  view.setInts(
    1,
    all.map((size) => (size / run) * view.resized * mark.inner),
  );
  return [mark];
};

const sequenceAt: Rule = (view) => {
  const mark = view.mark(0);
  const size = mark && view.outputShape(0)[mark.axis];
  if (!mark || typeof size !== "number") return [mark];
  return [{ ...mark, outer: size / (view.units * mark.inner) }];
};

const slice: Rule = (view) => {
  const mark = view.mark(0);
  if (!mark) return [null];
  const rank = view.shape(0).length;
  const [starts, ends] = [view.ints(1), view.ints(2)];
  const axes = view.has(3) ? view.ints(3) : (starts?.map((_, i) => i) ?? null);
  if (!axes?.every((axis) => axis !== null)) return view.refuse("its axes are computed");
  const at = axes.findIndex((axis) => normalAxis(axis, rank) === mark.axis);
  if (at < 0) return [mark];
  const step = view.has(4) ? view.ints(4)?.[at] : 1;
  const size = sizeOf(mark, view.units);
  if (starts?.[at] == null || ends?.[at] == null || step == null || size === null) {
    return view.refuse("its bounds are computed");
  }
  const bound = (x: number) => Math.min(Math.max(x < 0 ? x + size : x, 0), size);
  const [start, end] = [bound(starts[at]), bound(ends[at])];
  const run = view.units * mark.inner;
  const sliced =
    step === mark.inner && step > 1 && start < step && end === size
      ? { mark: { ...mark, inner: 1 }, start, end: (size / run) * view.resized * mark.inner }
      : step === 1 && start % run === 0 && end % run === 0
        ? {
            mark: { ...mark, outer: (end - start) / run },
            start: (start / run) * view.resized * mark.inner,
            end: (end / run) * view.resized * mark.inner,
          }
        : view.refuse("it cuts between them");
  view.setInts(1, starts.with(at, sliced.start));
  view.setInts(2, ends.with(at, sliced.end));
  return [sliced.mark];
};

const gather: Rule = (view) => {
  const mark = view.mark(0);
  if (!mark || view.mark(1)) return view.mark(1) ? view.refuse("it looks them up") : [null];
  const axis = normalAxis(view.node.int("axis") ?? 0, view.shape(0).length);
  if (axis === mark.axis) view.refuse("it picks some of them");
  return [axis < mark.axis ? onAxis(mark, mark.axis - 1 + view.shape(1).length) : mark];
};

const concat: Rule = (view) => {
  const axis = normalAxis(view.node.int("axis") ?? 0, view.outputShape(0).length);
  const marks = [...view.node.inputs.keys()].map((input) => view.mark(input));
  const mark = marks.find((each) => each !== null) ?? null;
  const agree = marks.every((each) => each && sameUnits(each, mark!) && each.axis === mark!.axis);
  if (mark && (!agree || mark.axis === axis)) view.refuse("it joins them with something else");
  return [mark];
};

/** Indices name the leading axes: what is written over keeps its marks where those are others. */
const scatter: Rule = (view) => {
  const [mark, updates] = [view.mark(0), view.mark(2)];
  if (!mark && !updates) return [null];
  const { length, [length - 1]: named } = view.shape(1);
  const known = typeof named === "number" && !view.mark(1) && !view.counted(1);
  const alike = known && mark && updates && sameUnits(mark, updates) && mark.axis >= named;
  const place = alike ? mark.axis - named + length - 1 : null;
  return [updates?.axis === place ? mark : view.refuse("it writes over some of them")];
};

/** An axis that is there already needs no more than the size 1 in the target. */
const expand: Rule = (view) => {
  const mark = view.mark(0);
  if (!mark) return [null];
  const axis = mark.axis + view.outputShape(0).length - view.shape(0).length;
  const target = view.ints(1);
  const at = axis - view.outputShape(0).length + (target?.length ?? 0);
  if (!target) return view.refuse("its target is computed");
  if (at >= 0 && target[at] !== 1) view.setInts(1, target.with(at, 1));
  return [onAxis(mark, axis)];
};

const unmarked: Rule = (view) => view.node.outputs.map(() => null);

function table(names: string, rule: Rule): readonly (readonly [string, Rule])[] {
  return names.split(/\s+/).map((name) => [name, rule] as const);
}

/** By operator, with its domain where it is not ai.onnx. */
export const rules: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ...table(
    `Identity Cast CastLike Relu LeakyRelu Elu Selu Celu Sigmoid HardSigmoid HardSwish Tanh Softplus Softsign
     Gelu Mish Swish Erf Exp Log Sqrt Reciprocal Neg Abs Sign Floor Ceil Round Sin Cos Not IsNaN IsInf
     ThresholdedRelu Dropout com.microsoft::QuickGelu com.microsoft::Gelu`,
    same,
  ),
  ...table(
    "Add Sub Sum And Or Xor com.microsoft::BiasGelu com.microsoft::FastGelu",
    elementwise("zero"),
  ),
  ...table(
    "Mul Div Pow Mod Max Min Mean PRelu Where Equal Greater GreaterOrEqual Less LessOrEqual Clip",
    elementwise("one"),
  ),
  ...table("Softmax LogSoftmax Hardmax", apartFrom(oneAxis(-1), always)),
  ...table(
    `LayerNormalization RMSNormalization SimplifiedLayerNormalization
     com.microsoft::SimplifiedLayerNormalization`,
    apartFrom(fromAxis(-1), always),
  ),
  ...table(
    `ReduceSum ReduceMean ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceSumSquare
     ReduceLogSum ReduceLogSumExp`,
    reduction,
  ),
  ...table("LpNormalization", apartFrom(oneAxis(-1), always)),
  ...table("Shape Size", unmarked),
  ["Transpose", transpose],
  ["Unsqueeze", unsqueeze],
  ["Squeeze", squeeze],
  ["Split", split],
  ["SplitToSequence", splitToSequence],
  ["SequenceAt", sequenceAt],
  ["Slice", slice],
  ["Gather", gather],
  ["ScatterND", scatter],
  ["Concat", concat],
  ["Expand", expand],
  ["Reshape", reshape],
  ...products,
]);
