/**
 * Values of small tensors that do not depend on data: constants, and what exporters compute from
 * shapes at run time (Reshape targets, Slice bounds, 1/sqrt(head)). Unknown elements are null.
 */
import { materialize } from "../ir/bytes.ts";
import type { Initializer, Node } from "../ir/graph.ts";
import { decodeElements } from "../onnx-ops/elements.ts";
import type { Op, Wire } from "./flow.ts";

/** Larger tensors are weights or tables, not sizes. */
const largest = 4096;
/** Sizes are calculated in fewer steps; what takes more would be too many calls inside of calls. */
const deepest = 500;
/** A scalar may be written out as so many equal elements. */
const mostEqual = 8;

type Elements = readonly (number | null)[];

export interface Constants {
  /** The elements in row-major order; null where the tensor is large or its form unknown. */
  elements(wire: Wire | null | undefined): Elements | null;
  /** The one element of a tensor of rank 0, or of several axes of size 1; or of equal elements. */
  scalar(wire: Wire | null | undefined): number | null;
  /** All elements, where each is known. */
  known(wire: Wire | null | undefined): readonly number[] | null;
}

export function createConstants(): Constants {
  const memo = new Map<Wire, Elements | null>();
  let depth = 0;
  const elements = (wire: Wire | null | undefined): Elements | null => {
    if (!wire || depth > deepest) return null;
    const known = memo.get(wire);
    if (known !== undefined) return known;
    memo.set(wire, null);
    depth++;
    const found = compute(wire, elements);
    depth--;
    memo.set(wire, found);
    return found;
  };
  return {
    elements,
    scalar(wire) {
      if (!wire || isLong(wire)) return null;
      const found = elements(wire);
      const first = found?.[0];
      if (first === null || first === undefined) return null;
      return found!.length <= mostEqual && found!.every((x) => x === first) ? first : null;
    },
    known(wire) {
      const found = elements(wire);
      return found?.every((x) => x !== null) ? (found as readonly number[]) : null;
    },
  };
}

/** Known to have more elements than a scalar, whatever they are. */
function isLong({ value }: Wire): boolean {
  const shape = value?.initializer?.shape ?? value?.type?.shape;
  const count = shape?.reduce((a: number, b) => (typeof b === "number" ? a * b : a), 1) ?? 1;
  return count > mostEqual;
}

/** All elements of a stored tensor as numbers; null beyond `limit` or for types without numbers. */
export function numbersOf(tensor: Initializer, limit = largest): number[] | null {
  const count = tensor.shape.reduce((a, b) => a * b, 1);
  if (count > limit || tensor.dtype === "string") return null;
  try {
    return [...decodeElements(tensor.dtype, materialize(tensor.data))];
  } catch {
    return null;
  }
}

/** The tensor that a wire is stored as: an initializer, or the value of a Constant node. */
export function storedTensor(wire: Wire): Initializer | null {
  if (wire.value?.initializer) return wire.value.initializer;
  if (wire.from?.type !== "Constant") return null;
  const value = wire.from.node.attributes.get("value")?.value;
  return value?.type === "tensor" ? value.value : null;
}

function constantNode(node: Node): Elements | null {
  const value = node.attributes.get("value")?.value;
  if (value?.type === "tensor") return numbersOf(value.value);
  const int = node.int("value_int") ?? node.float("value_float");
  if (int !== undefined) return [int];
  const floats = node.attributes.get("value_floats")?.value;
  return node.ints("value_ints") ?? (floats?.type === "floats" ? floats.value : null);
}

type Rule = (op: Op, of: (wire: Wire | null | undefined) => Elements | null) => Elements | null;

function binary(f: (a: number, b: number) => number): Rule {
  return (op, of) => {
    const [a, b] = [of(op.inputs[0]), of(op.inputs[1])];
    if (!a || !b || (a.length !== b.length && a.length !== 1 && b.length !== 1)) return null;
    const length = Math.max(a.length, b.length);
    return Array.from({ length }, (_, i) => {
      const [x, y] = [a[a.length === 1 ? 0 : i], b[b.length === 1 ? 0 : i]];
      return x == null || y == null ? null : f(x, y);
    });
  };
}

function unary(f: (a: number) => number): Rule {
  return (op, of) => of(op.inputs[0])?.map((x) => (x === null ? null : f(x))) ?? null;
}

const same: Rule = (op, of) => of(op.inputs[0]);

/** (x - zero) scale, with one scale for all elements; of what was rounded on the spot, what it was. */
const dequantize: Rule = (op, of) => {
  const before = op.inputs[0]?.from;
  if (before?.type === "QuantizeLinear") return of(before.inputs[0]);
  const [scale, zero] = [of(op.inputs[1]), op.inputs[2] ? of(op.inputs[2]) : [0]];
  if (scale?.length !== 1 || zero?.length !== 1) return null;
  const [by, from] = [scale[0]!, zero[0]!];
  if (by === null || from === null) return null;
  return of(op.inputs[0])?.map((x) => (x === null ? null : (x - from) * by)) ?? null;
};

/** Whole division where the operands are integers; this table serves sizes first. */
const divide: Rule = (op, of) => {
  const integer = /int/.test(op.outputs[0]?.value?.type?.dtype ?? "");
  return binary((a, b) => (integer ? Math.trunc(a / b) : a / b))(op, of);
};

function sliced(items: Elements, op: Op, of: Parameters<Rule>[1]): Elements | null {
  const [start, end, axis, step] = [1, 2, 3, 4].map((i) => of(op.inputs[i])?.[0]);
  const first = start ?? op.node.ints("starts")?.[0];
  const last = end ?? op.node.ints("ends")?.[0];
  if (first == null || last == null || (axis ?? 0) !== 0 || (step ?? 1) !== 1) return null;
  return items.slice(first, Math.min(last, items.length));
}

/** One element in as many copies as asked for. */
const expand: Rule = (op, of) => {
  const [items, shape] = [of(op.inputs[0]), of(op.inputs[1])];
  const count = shape?.reduce((a, b) => (a === null || b === null ? null : a * b), 1) ?? null;
  if (items?.length !== 1 || count === null || count > largest) return null;
  return Array.from({ length: count }, () => items[0]!);
};

const rules: Readonly<Record<string, Rule>> = {
  Constant: (op) => constantNode(op.node),
  Shape: (op) => {
    const shape = op.inputs[0]?.value?.type?.shape;
    if (!shape) return null;
    const all = shape.map((dim) => (typeof dim === "number" ? dim : null));
    return all.slice(op.node.int("start") ?? 0, op.node.int("end") ?? all.length);
  },
  Gather: (op, of) => {
    const [items, at] = [of(op.inputs[0]), of(op.inputs[1])];
    if (!items || !at || (op.node.int("axis") ?? 0) !== 0) return null;
    if ((op.inputs[0]?.value?.type?.shape?.length ?? 1) > 1) return null;
    return at.map((i) => (i === null ? null : (items.at(i) ?? null)));
  },
  Slice: (op, of) => {
    const items = of(op.inputs[0]);
    if (!items || (op.inputs[0]?.value?.type?.shape?.length ?? 1) > 1) return null;
    return sliced(items, op, of);
  },
  Concat: (op, of) => {
    const parts = op.inputs.map((wire) => of(wire));
    return parts.every((part) => part !== null) ? parts.flat() : null;
  },
  Cast: (op, of) => {
    const integer = [2, 3, 4, 5, 6, 7, 12, 13].includes(op.node.int("to") ?? 0);
    return unary((x) => (integer ? Math.trunc(x) : x))(op, of);
  },
  DequantizeLinear: dequantize,
  Identity: same,
  Expand: expand,
  Unsqueeze: same,
  Squeeze: same,
  Reshape: same,
  Floor: unary(Math.floor),
  Ceil: unary(Math.ceil),
  Sqrt: unary(Math.sqrt),
  Reciprocal: unary((x) => 1 / x),
  Neg: unary((x) => -x),
  Add: binary((a, b) => a + b),
  Sub: binary((a, b) => a - b),
  Mul: binary((a, b) => a * b),
  Pow: binary((a, b) => a ** b),
  Div: divide,
};

function compute(wire: Wire, of: Parameters<Rule>[1]): Elements | null {
  if (wire.value?.initializer) return numbersOf(wire.value.initializer);
  return wire.from ? (rules[wire.from.type]?.(wire.from, of) ?? null) : null;
}
