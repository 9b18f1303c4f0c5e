/** Linear maps y = alpha x W^T + b of the feature axis, in every form that exporters give them. */
import type { Use, Value } from "../ir/graph.ts";
import type { Constants } from "./constants.ts";
import type { Flow, Op, Wire } from "./flow.ts";
import { equationAt } from "./products.ts";
import { isWeight, type Stored, shapeOf, storedOf, vectorOf } from "./weights.ts";

export interface LinearMap {
  /** The product itself. */
  readonly op: Op;
  readonly x: Wire;
  /** After the bias, where it has one. */
  readonly y: Wire;
  /** The product and its bias add. */
  readonly ops: readonly Op[];
  /** Between stored tensors and operands. */
  readonly weightOps: readonly Op[];
  readonly weight: Value;
  readonly layout: "in,out" | "out,in";
  readonly bias: Value | null;
  /** Where a fused residual sum adds the bias; `y` is before that. */
  readonly biasInput: Use | null;
  readonly in: number;
  readonly out: number;
  readonly alpha: number;
  /** The axis of `y` that holds features, from the end: -1, or the channel axis of a convolution. */
  readonly featureAxis: number;
  /** Where features are several axes of `y`, heads and what a head has, the size of each; else null. */
  readonly split: readonly number[] | null;
  /** How many axes of `x`, the last, the map reads. */
  readonly axesRead: number;
  /** The first row of a larger stored weight, and of its bias, that this map has. */
  readonly firstRow: number;
  readonly firstBias: number;
  /** Weights of rank 2 and plain float products; else why projections cannot be cut from it. */
  readonly irregular: string | null;
}

/** Linear maps by their product, and by the wire that they end in. */
export interface Linears {
  readonly byOp: ReadonlyMap<Op, LinearMap>;
  readonly byOutput: ReadonlyMap<Wire, LinearMap>;
}

export function findLinears(flow: Flow, constants: Constants): Linears {
  const byOp = new Map<Op, LinearMap>();
  const byOutput = new Map<Wire, LinearMap>();
  for (const op of flow.ops) {
    if (op.data.length === 0) continue;
    const product = forms[op.type]?.(op, constants);
    if (!product) continue;
    const map = withBias(op, product, constants);
    for (const part of map.ops) byOp.set(part, map);
    byOutput.set(map.y, map);
  }
  return { byOp, byOutput };
}

interface Product {
  readonly x: Wire;
  readonly stored: Stored;
  readonly layout: "in,out" | "out,in";
  readonly in: number;
  readonly out: number;
  readonly alpha?: number;
  readonly bias?: Stored | null;
  readonly featureAxis?: number;
  readonly split?: readonly number[] | null;
  readonly axesRead?: number;
  readonly irregular?: string | null;
}

type Form = (op: Op, constants: Constants) => Product | null;

/** x W with W of rank 2; `swapped`: the operator itself reads W transposed. */
function rightProduct(op: Op, constants: Constants, swapped: boolean): Product | null {
  const [x, w] = op.inputs;
  if (!x || !w || isWeight(x, constants) || !isWeight(w, constants)) return null;
  const stored = rowsOnly(w, swapped, constants);
  if (stored?.shape.length !== 2) return null;
  const [rows, columns] = stored.shape as [number, number];
  const outFirst = swapped !== stored.transposed;
  return {
    x,
    stored,
    layout: outFirst ? "out,in" : "in,out",
    in: swapped ? columns : rows,
    out: swapped ? rows : columns,
  };
}

/** A weight of which a stretch of rows is used; where it is cut otherwise, the piece by itself. */
function rowsOnly(operand: Wire, swapped: boolean, constants: Constants): Stored | null {
  const stored = storedOf(operand, constants);
  if (!stored?.cut) return stored;
  const outAxis = swapped !== stored.transposed ? 0 : 1;
  if (stored.cut.axis === outAxis || !operand.value) return stored;
  return { ...stored, value: operand.value, transposed: false, cut: null, ops: [] };
}

const gemm: Form = (op, constants) => {
  const { node } = op;
  if ((node.int("transA") ?? 0) !== 0) return null;
  const product = rightProduct(op, constants, (node.int("transB") ?? 0) !== 0);
  if (!product) return null;
  const c = op.inputs[2];
  const bias = c ? vectorOf(c, product.out, constants) : null;
  if (c && (!bias || (node.float("beta") ?? 1) !== 1)) return null;
  return { ...product, bias, alpha: node.float("alpha") ?? 1 };
};

const fusedMatMul: Form = (op, constants) => {
  const { node } = op;
  if (["transA", "transBatchA", "transBatchB"].some((name) => (node.int(name) ?? 0) !== 0))
    return null;
  const product = rightProduct(op, constants, (node.int("transB") ?? 0) !== 0);
  return product && { ...product, alpha: node.float("alpha") ?? 1 };
};

/** A convolution of kernel 1 is a linear map of the channel axis. */
const conv: Form = (op, constants) => {
  const [x, w, b] = op.inputs;
  if (!x || !w?.constant || x.constant || (op.node.int("group") ?? 1) !== 1) return null;
  const stored = storedOf(w, constants);
  if (!stored || stored.shape.length < 3 || stored.transposed) return null;
  if (stored.shape.slice(2).some((size) => size !== 1)) return null;
  if ([...(op.node.ints("strides") ?? []), 1].some((stride) => stride !== 1)) return null;
  if ((op.node.ints("pads") ?? []).some((pad) => pad !== 0)) return null;
  const [out, into] = stored.shape as [number, number];
  const bias = b ? vectorOf(b, out, constants) : null;
  if (b && !bias) return null;
  const featureAxis = 1 - stored.shape.length;
  return { x, stored, layout: "out,in", in: into, out, bias, featureAxis };
};

/** Letters that x and W share are contracted; they must end x and begin, or end, W. */
const einsum: Form = (op, constants) => {
  const [left, right] = op.inputs;
  const equation = equationAt(op);
  if (!left || !right || op.inputs.length !== 2 || !equation || left.constant === right.constant)
    return null;
  const { terms: letters, output: result } = equation;
  const [x, w] = left.constant ? [right, left] : [left, right];
  const [xs, ws] = left.constant ? [letters[1]!, letters[0]!] : [letters[0]!, letters[1]!];
  const shared = [...ws].filter((letter) => xs.includes(letter)).join("");
  const free = [...ws].filter((letter) => !xs.includes(letter)).join("");
  const stored = storedOf(w, constants);
  if (!stored || stored.transposed || shared === "" || free === "") return null;
  if ([...shared].some((letter) => result.includes(letter))) return null;
  if (!xs.endsWith(shared) || !result.endsWith(free)) return null;
  if (ws !== shared + free && ws !== free + shared) return null;
  const sizes = (part: string) => [...part].map((letter) => stored.shape[ws.indexOf(letter)]!);
  const size = (part: string) => sizes(part).reduce((product, each) => product * each, 1);
  const layout = ws.startsWith(shared) ? "in,out" : "out,in";
  const split = free.length > 1 ? sizes(free) : null;
  return {
    x,
    stored,
    layout,
    in: size(shared),
    out: size(free),
    split,
    axesRead: shared.length,
  };
};

/**
 * Weights of integers multiplied as such: a linear map whose weight cannot be read as floats. Where
 * x is quantised on the way (DynamicQuantizeLinear), it is the value before that.
 */
const integerProduct: Form = (op, constants) => {
  const product = rightProduct(op, constants, false);
  const quantised = product?.x.from?.type === "DynamicQuantizeLinear" ? product.x.from : null;
  const x = quantised?.inputs[0] ?? product?.x;
  return product && { ...product, x: x!, irregular: "its product is computed in integers" };
};

const packed: Form = (op, constants) => {
  const [x, w] = op.inputs;
  const [into, out] = [op.node.int("K"), op.node.int("N")];
  const stored = w?.constant ? storedOf(w, constants) : null;
  if (!x || x.constant || !stored || !into || !out) return null;
  const irregular = "its weight is packed in blocks of less than 8 bits";
  return { x, stored, layout: "out,in", in: into, out, irregular };
};

const forms: Readonly<Record<string, Form>> = {
  MatMul: (op, constants) => rightProduct(op, constants, false),
  FusedMatMul: fusedMatMul,
  Gemm: gemm,
  Conv: conv,
  Einsum: einsum,
  MatMulInteger: integerProduct,
  DynamicQuantizeMatMul: integerProduct,
  MatMulIntegerToFloat: integerProduct,
  MatMulNBits: packed,
};

/** Takes the Add of a constant vector of the right size in, where nothing else reads the product. */
function withBias(op: Op, product: Product, constants: Constants): LinearMap {
  const { x, stored, layout, alpha = 1, featureAxis = -1, irregular = null } = product;
  const { split = null, axesRead = 1 } = product;
  const tail = tailOf(op, constants);
  const y = tail.at(-1)?.outputs[0] ?? op.outputs[0]!;
  const base = {
    op,
    x,
    weight: stored.value,
    layout,
    in: product.in,
    out: product.out,
    firstRow: stored.cut?.start ?? 0,
    firstBias: product.bias?.cut?.start ?? 0,
    alpha,
    featureAxis,
    split,
    axesRead,
    irregular,
    biasInput: null,
  };
  const plain = {
    ...base,
    y,
    ops: [op, ...tail],
    weightOps: [...stored.ops, ...(product.bias?.ops ?? [])],
  };
  if (product.bias || y.uses.length !== 1) return { ...plain, bias: product.bias?.value ?? null };
  const add = y.uses[0]!;
  const other = add.inputs.find((wire) => wire && wire !== y);
  if (add.type !== "Add") return { ...plain, bias: null };
  const fused = add.inputs.length === 3 ? fusedBias(add, y, product.out, constants) : null;
  if (fused) return { ...plain, ...fused };
  if (add.inputs.length !== 2 || !other || !isWeight(other, constants))
    return { ...plain, bias: null };
  const bias = biasOf(other, product, constants);
  if (!bias) return { ...plain, bias: null };
  const weightOps = [...stored.ops, ...bias.ops];
  const firstBias = bias.cut?.start ?? 0;
  const ops = [op, ...tail, add];
  return { ...base, y: add.outputs[0]!, ops, weightOps, bias: bias.value, firstBias };
}

/** What is added must lie on the feature axis: [out], [1, 1, out], or [out, 1] behind a convolution. */
function biasOf(
  wire: Wire,
  { out, split, featureAxis = -1 }: Product,
  constants: Constants,
): Stored | null {
  const shape = shapeOf(wire, constants);
  if (!shape) return null;
  if (!split) {
    return (shape.at(featureAxis) ?? 1) === out ? vectorOf(wire, out, constants) : null;
  }
  const stored = storedOf(wire, constants);
  const alike = shape.length === split.length && split.every((size, i) => size === shape[i]);
  return stored && alike && !stored.transposed && !stored.cut ? stored : null;
}

/** The bias that a fused residual sum adds to the one of its terms that is a product. */
function fusedBias(
  { inputs, place }: Op,
  y: Wire,
  out: number,
  constants: Constants,
): Pick<LinearMap, "bias" | "biasInput" | "firstBias"> | null {
  const [a, b, last] = inputs;
  const stream = a === y ? b : a;
  const bias = last?.value && vectorOf(last, out, constants);
  if (!bias || !stream || forms[stream.from?.type ?? ""]) return null;
  const index = place.inputs.indexOf(last.value!);
  return { bias: bias.value, biasInput: { node: place, index }, firstBias: bias.cut?.start ?? 0 };
}

/** What belongs to a product before its bias: scaling back from integers, quantising or casting the result. */
function tailOf(op: Op, constants: Constants): Op[] {
  const tail: Op[] = [];
  for (let wire = op.outputs[0]!; wire.uses.length === 1; ) {
    const next = wire.uses[0]!;
    const integer = op.type === "MatMulInteger" && tail.length < 2;
    const scaled = integer && (next.type === "Cast" || next.type === "Mul");
    const quantised = next.type === "QuantizeLinear" || next.type === "DequantizeLinear";
    const biased = next.outputs[0]?.uses[0]?.type;
    const cast = next.type === "Cast" && addsWeight(next.outputs[0]!, constants);
    if (!scaled && !cast && !(quantised && (biased === "DequantizeLinear" || biased === "Add")))
      break;
    tail.push(next);
    wire = next.outputs[0]!;
  }
  return tail;
}

function addsWeight({ uses: [add, ...more] }: Wire, constants: Constants): boolean {
  if (add?.type !== "Add" || more.length > 0) return false;
  return add.inputs.some((wire) => wire && isWeight(wire, constants));
}
