/** A tensor of a graph that is being grown; methods grow one node each and read as mathematics. */
import { materialize } from "../ir/bytes.ts";
import type { Value } from "../ir/graph.ts";
import { type DType, dtypes, isStatic, type TensorType } from "../ir/types.ts";
import { float } from "./attributes.ts";
import { markDetached } from "./detached.ts";
import { divideDims, type Extent, productOf } from "./dims.ts";
import { decodeElements } from "./elements.ts";
import type { Grower } from "./grower.ts";
import { storedTensor } from "./stored.ts";

export class Wire {
  readonly grower: Grower;
  readonly value: Value;
  readonly dtype: DType;
  readonly shape: readonly Extent[];
  /** Elements of a vector of sizes, where they are known now. */
  readonly ints: readonly Extent[] | undefined;

  constructor(
    grower: Grower,
    value: Value,
    dtype: DType,
    shape: readonly Extent[],
    ints?: readonly Extent[],
  ) {
    this.grower = grower;
    this.value = value;
    this.dtype = dtype;
    this.shape = shape;
    this.ints = ints;
  }

  get rank(): number {
    return this.shape.length;
  }

  get type(): TensorType {
    return { dtype: this.dtype, shape: this.shape };
  }

  /** Its elements, where it is stored and not computed. */
  get known(): Float64Array | undefined {
    const tensor = storedTensor(this.value);
    return tensor ? decodeElements(tensor.dtype, materialize(tensor.data)) : undefined;
  }

  add = (b: Wire | number) => (b === 0 ? this : this.#binary("Add", b));
  sub = (b: Wire | number) => (b === 0 ? this : this.#binary("Sub", b));
  mul = (b: Wire | number) => (b === 1 ? this : this.#binary("Mul", b));
  div = (b: Wire | number) => (b === 1 ? this : this.#binary("Div", b));
  pow = (b: Wire | number) => this.#binary("Pow", b);
  min = (b: Wire | number) => this.#binary("Min", b);
  max = (b: Wire | number) => this.#binary("Max", b);
  equal = (b: Wire | number) => this.#binary("Equal", b);
  less = (b: Wire | number) => this.#binary("Less", b);
  lessOrEqual = (b: Wire | number) => this.#binary("LessOrEqual", b);
  greater = (b: Wire | number) => this.#binary("Greater", b);
  greaterOrEqual = (b: Wire | number) => this.#binary("GreaterOrEqual", b);

  neg = () => this.unary("Neg");
  square = () => this.mul(this);
  exp = () => this.unary("Exp");
  log = () => this.unary("Log");
  sqrt = () => this.unary("Sqrt");
  reciprocal = () => this.unary("Reciprocal");
  abs = () => this.unary("Abs");
  sign = () => this.unary("Sign");
  sigmoid = () => this.unary("Sigmoid");
  tanh = () => this.unary("Tanh");

  /** b - this */
  from = (b: number) => this.#number(b).sub(this);

  unary(op: string): Wire {
    return this.grower.one(op, [this]);
  }

  #number(value: number): Wire {
    return this.grower.scalar(this.dtype, value);
  }

  #binary(op: string, b: Wire | number): Wire {
    return this.grower.one(op, [this, typeof b === "number" ? this.#number(b) : b]);
  }

  /** NumPy's matmul; of matrices that are read transposed where that is asked, without a copy. */
  matmul(b: Wire, { transA = false, transB = false, alpha = 1 } = {}): Wire {
    const inputs = [this, b];
    const attributes = { transA: Number(transA), transB: Number(transB), alpha: float(alpha) };
    if (!transA && !transB && alpha === 1) return this.grower.one("MatMul", inputs);
    if (this.rank === 2 && b.rank === 2) return this.grower.one("Gemm", inputs, { attributes });
    return this.grower.one("FusedMatMul", inputs, { attributes, domain: "com.microsoft" });
  }

  /** Itself where the condition holds, 0 elsewhere. */
  where(condition: Wire): Wire {
    return this.grower.where(condition, this, this.#number(0));
  }

  /** 0 where the condition holds, itself elsewhere. */
  unless(condition: Wire): Wire {
    return this.grower.where(condition, this.#number(0), this);
  }

  /** All axes in this order; without one, the last two trade places. */
  transpose(perm?: readonly number[]): Wire {
    const order = perm ?? [...this.shape.keys()].map((i) => swapLast(i, this.rank));
    if (order.every((axis, i) => axis === i)) return this;
    return this.grower.one("Transpose", [this], { attributes: { perm: order } });
  }

  cast(dtype: DType): Wire {
    if (dtype === this.dtype) return this;
    return this.grower.one("Cast", [this], { attributes: { to: dtypes[dtype].code } });
  }

  /** To these sizes; -1 once for what is left. */
  reshape(dims: readonly Extent[]): Wire {
    if (sameDims(dims, this.shape)) return this;
    const target = this.grower.shape(leaveOne(dims, this.shape));
    return this.grower.one("Reshape", [this, target], { attributes: { allowzero: 1 } });
  }

  /** Broadcast to these sizes. */
  expand(dims: readonly Extent[]): Wire {
    if (sameDims(dims, this.shape)) return this;
    return this.grower.one("Expand", [this, this.grower.shape(dims)]);
  }

  squeeze(axes: readonly number[]): Wire {
    return axes.length ? this.grower.one("Squeeze", [this, this.grower.ints(axes)]) : this;
  }

  unsqueeze(axes: readonly number[]): Wire {
    return axes.length ? this.grower.one("Unsqueeze", [this, this.grower.ints(axes)]) : this;
  }

  /** Sum over axes, which stay as 1 unless `keep` is false; over all of them where none are given. */
  sum(axes?: readonly number[], keep = true): Wire {
    return this.reduce("Sum", axes, keep);
  }

  mean(axes?: readonly number[], keep = true): Wire {
    return this.reduce("Mean", axes, keep);
  }

  reduce(kind: string, axes: readonly number[] | undefined, keep: boolean): Wire {
    if (axes?.length === 0) return this;
    const which = axes ? [this, this.grower.ints(axes)] : [this];
    return this.grower.one(`Reduce${kind}`, which, { attributes: { keepdims: keep ? 1 : 0 } });
  }

  /** Elements `start` up to `end` along an axis. */
  slice(axis: number, start: Extent, end: Extent): Wire {
    const { grower } = this;
    const at = (bound: Extent) => grower.shape([bound]);
    return grower.one("Slice", [this, at(start), at(end), grower.ints([axis])]);
  }

  /** The same numbers, whose gradient is zero. */
  detach(): Wire {
    const copy = this.unary("Identity");
    markDetached(copy.value);
    return copy;
  }

  /** Parts of these sizes along an axis. */
  split(axis: number, sizes: readonly number[]): Wire[] {
    const { grower } = this;
    const options = { attributes: { axis }, outputs: sizes.length };
    return grower.all("Split", [this, grower.ints(sizes)], options);
  }

  leakyRelu(alpha: number): Wire {
    return this.grower.one("LeakyRelu", [this], { attributes: { alpha: float(alpha) } });
  }

  /** How many elements, as a number where that is known now. */
  get count(): number | undefined {
    return isStatic(this.shape) ? this.shape.reduce<number>((n, d) => n * d, 1) : undefined;
  }

  /** Summed over the axes along which `shape` was broadcast to this. */
  sumTo(shape: readonly Extent[]): Wire {
    const extra = this.rank - shape.length;
    const kept = shape.flatMap((dim, i) => {
      const here = this.shape[i + extra]!;
      return dim === 1 && here !== 1 ? [i + extra] : [];
    });
    const gone = Array.from({ length: extra }, (_, i) => i);
    const folded = this.sum(gone, false);
    return folded.sum(
      kept.map((axis) => axis - extra),
      true,
    );
  }
}

function swapLast(axis: number, rank: number): number {
  if (axis === rank - 1) return rank - 2;
  return axis === rank - 2 ? rank - 1 : axis;
}

function sameDims(a: readonly Extent[], b: readonly Extent[]): boolean {
  return a.length === b.length && a.every((dim, i) => dim === b[i]);
}

/** With -1 for the only symbolic size where the others leave no choice: no Shape node is needed. */
function leaveOne(dims: readonly Extent[], from: readonly Extent[]): readonly Extent[] {
  const [symbolic, ...more] = dims.filter((dim) => typeof dim === "string");
  const rest = dims.filter((dim) => typeof dim === "number");
  if (!symbolic || more.length > 0 || rest.some((dim) => dim <= 0)) return dims;
  const left = divideDims(productOf(from), productOf(rest));
  return left === symbolic ? dims.map((dim) => (dim === symbolic ? -1 : dim)) : dims;
}
