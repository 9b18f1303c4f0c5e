/** Matrix products and attention: where marks meet and are summed over. */
import { equationOf } from "../../src/onnx-ops/einsum.ts";
import { type Mark, onAxis, type Rule, sameUnits, type View } from "./marks.ts";

/** How a product reads a factor, the batch axes moved first, then the last two swapped. */
interface Reading {
  /** The first axis comes behind the others of the batch. */
  readonly moved: boolean;
  readonly swapped: boolean;
}

function readingOf({ node }: View, side: "A" | "B"): Reading {
  const flag = (name: string) => Boolean(node.int(`${name}${side}`));
  return { moved: flag("transBatch"), swapped: flag("trans") };
}

/** Marks of a product's operands, with axes counted from the end: -2 rows, -1 columns. */
function multiply(view: View): Mark | null {
  const [a, b] = [fromEnd(view, 0, readingOf(view, "A")), fromEnd(view, 1, readingOf(view, "B"))];
  const sumsA = a?.axis === -1;
  const sumsB = b?.axis === -2 || (b?.axis === -1 && view.shape(1).length === 1);
  if (sumsA !== sumsB) view.refuse("one of its factors has them, and the other has not");
  if (sumsA && sumsB) {
    if (!sameUnits(a!, b!)) view.refuse("its factors have them in different orders");
    return null;
  }
  if (a && b && a.axis !== b.axis) view.refuse("both of its factors have them");
  const mark = a ?? b;
  if (!mark) return null;
  if (mark.axis < -2) checkBroadcast(view, mark, a ? 1 : 0, Boolean(a && b));
  return onAxis(mark, mark.axis + view.outputShape(0).length);
}

function fromEnd(view: View, input: number, { moved, swapped }: Reading): Mark | null {
  const mark = view.mark(input);
  if (!mark) return null;
  const rank = view.shape(input).length;
  const behind = mark.axis === 0 ? -2 : mark.axis === rank - 1 ? -1 : mark.axis - 1 - rank;
  const axis = moved ? behind : mark.axis - rank;
  return onAxis(mark, swapped && axis >= -2 ? -3 - axis : axis);
}

/** Batch axes: the other factor has one matrix for all of them, or a marked one for each. */
function checkBroadcast(view: View, mark: Mark, other: number, both: boolean): void {
  const shape = view.shape(other);
  const at = shape.length + mark.axis;
  const dim = shape[readingOf(view, other === 0 ? "A" : "B").moved ? at + 1 : at] ?? 1;
  if (!both && dim !== 1)
    view.refuse("one of its factors has a matrix of its own for each of them");
}

const matmul: Rule = (view) => [multiply(view)];

const gemm: Rule = (view) => {
  const mark = multiply(view);
  if (!view.has(2)) return [mark];
  const added = view.mark(2);
  if (!mark) return added ? view.refuse("what it adds has them") : [null];
  const rank = view.shape(2).length;
  const axis = mark.axis - 2 + rank;
  if (added && (added.axis !== axis || !sameUnits(added, mark))) {
    view.refuse("what it adds has them in another order");
  }
  const dim = view.shape(2)[axis] ?? 1;
  if (!added && dim !== 1) view.addTensor(2, onAxis(mark, axis), "zero");
  return [mark];
};

/** Scores, softmax and weighted sum in one operator, which counts heads by an attribute or an axis. */
function attention(head: { readonly q: string; readonly k: string | null }): Rule {
  return (view) => {
    const marks = [0, 1, 2].map((input) => view.mark(input));
    const mark = marks[0];
    if (!mark && marks.every((each) => !each)) return view.node.outputs.map(() => null);
    if (!mark || !marks.every((each) => each && each.outer === 1 && each.axis === mark.axis)) {
      return view.refuse("queries, keys and values do not all have them");
    }
    const rank = view.shape(0).length;
    if (view.node.outputs.slice(1).some((output) => output)) view.refuse("it has other outputs");
    if (rank === 4) return [onAxis(mark, 1)];
    if (mark.axis !== 2) view.refuse("they are not on its last axis");
    const counts = { [head.q]: view.resized };
    view.setAttributes(head.k === null ? counts : { ...counts, [head.k]: view.resized });
    return [onAxis(mark, 2)];
  };
}

/** An additive mask [B or 1, H or 1, N, M] may not tell heads apart. */
function sharedMask(view: View, input: number): void {
  if (!view.has(input)) return;
  const shape = view.shape(input);
  const dim = shape[shape.length - 3] ?? 1;
  if (view.mark(input) || (dim !== 1 && shape.length >= 3)) {
    view.refuse("its mask has a plane of its own for each of them");
  }
}

const standardAttention: Rule = (view) => {
  if (view.mark(0)) {
    sharedMask(view, 3);
    if (view.has(4) || view.has(5)) view.refuse("it keeps a cache");
  }
  return attention({ q: "q_num_heads", k: "kv_num_heads" })(view);
};

const multiHeadAttention: Rule = (view) => {
  const mark = view.mark(0);
  if (!mark) return view.node.outputs.map(() => null);
  if (!view.has(1) || !view.has(2)) view.refuse("its inputs are packed");
  if (view.has(6) || view.has(7)) view.refuse("it keeps a cache");
  sharedMask(view, 5);
  if (view.has(3) && !view.mark(3))
    view.addTensor(3, { axis: 0, outer: 3, inner: mark.inner }, "zero");
  return attention({ q: "num_heads", k: null })(view);
};

/** com.microsoft Attention: x, weights [D, 3 * H * d], bias; projections and all. */
const projectedAttention: Rule = (view) => {
  const weight = view.mark(1);
  if (!weight) return view.node.outputs.map(() => null);
  if (weight.axis !== 1 || weight.outer !== 3) view.refuse("its weights are packed in another way");
  if (view.has(4)) view.refuse("it keeps a cache");
  sharedMask(view, 5);
  if (view.has(2) && !view.mark(2)) view.addTensor(2, onAxis(weight, 0), "zero");
  const size = view.resized * weight.inner;
  const sizes = view.node.ints("qkv_hidden_sizes") ? { qkv_hidden_sizes: [size, size, size] } : {};
  view.setAttributes({ num_heads: view.resized, ...sizes });
  return [{ axis: 2, outer: 1, inner: weight.inner }];
};

const rotary: Rule = (view) => {
  const mark = view.mark(0);
  if (!mark) return [null];
  const [rank, count] = [view.shape(0).length, view.node.int("num_heads") ?? 0];
  if (rank === 3 && count > 0) view.setAttributes({ num_heads: view.resized });
  if (rank === 3 && count === 0) view.refuse("it does not say how many heads it has");
  return [mark];
};

/** A letter is an axis: it has units in every operand or in none, and is summed or goes on. */
const einsum: Rule = (view) => {
  const ranks = view.node.inputs.map((_, input) => view.shape(input).length);
  const equation = equationOf(view.node.string("equation") ?? "", ranks);
  if (!equation) return view.refuse("its equation has another number of operands");
  const { terms, output } = equation;
  const found = terms.flatMap((term, input) => {
    const mark = view.mark(input);
    return mark ? [{ letter: term[mark.axis]!, mark }] : [];
  });
  const [first] = found;
  if (!first) return [null];
  const { letter, mark } = first;
  const agree = found.every((each) => each.letter === letter && sameUnits(each.mark, mark));
  if (!agree || found.length !== terms.filter((term) => term.includes(letter)).length) {
    view.refuse("its operands do not all have them");
  }
  return [output.includes(letter) ? onAxis(mark, output.indexOf(letter)) : null];
};

export const products: readonly (readonly [string, Rule])[] = [
  ["MatMul", matmul],
  ["com.microsoft::FusedMatMul", matmul],
  ["Gemm", gemm],
  ["com.microsoft::FusedGemm", gemm],
  ["Einsum", einsum],
  ["Attention", standardAttention],
  ["com.microsoft::MultiHeadAttention", multiHeadAttention],
  ["com.microsoft::Attention", projectedAttention],
  ["RotaryEmbedding", rotary],
  ["com.microsoft::RotaryEmbedding", rotary],
];
