/** Tensors all of whose elements are one number, however many the model makes of it when it runs. */
import { numbersOf, storedTensor } from "./constants.ts";
import type { Op, Wire } from "./flow.ts";

/** Tables of masks may be larger than what constants are read of; a square of this many elements. */
export const largestTable = 1 << 20;
const deepEnough = 32;

type Of = (wire: Wire | null | undefined) => number | null;

const ofFirst = (op: Op, of: Of) => of(op.inputs[0]);

function ofBoth(f: (a: number, b: number) => number | boolean) {
  return (op: Op, of: Of): number | null => {
    const [a, b] = [of(op.inputs[0]), of(op.inputs[1])];
    return a === null || b === null ? null : Number(f(a, b));
  };
}

function made({ node }: Op): number | null {
  const value = node.attributes.get("value")?.value;
  return value?.type === "tensor" ? (numbersOf(value.value)?.[0] ?? null) : 0;
}

function chosen(op: Op, of: Of): number | null {
  const which = of(op.inputs[0]);
  const [yes, no] = [of(op.inputs[1]), of(op.inputs[2])];
  if (which !== null) return which ? yes : no;
  return yes === no ? yes : null;
}

/** A table that the model fills as it runs, or of what is hidden. Any other is a weight, even while it is all zero. */
function isFilled(table: Wire | null | undefined, depth = 0): boolean {
  const op = table?.from;
  if (!table || depth > deepEnough) return false;
  if (op?.type === "ConstantOfShape") return true;
  if (storedTensor(table)) return storedTensor(table)!.dtype === "bool";
  return op != null && carriers.has(op.type) && isFilled(op.inputs[0], depth + 1);
}

const carriers = new Set([
  "Expand",
  "Reshape",
  "Squeeze",
  "Unsqueeze",
  "Flatten",
  "Transpose",
  "Slice",
  "Tile",
  "Identity",
  "Cast",
  "Gather",
]);

const rules: Readonly<Record<string, (op: Op, of: Of) => number | null>> = {
  Expand: ofFirst,
  Reshape: ofFirst,
  Squeeze: ofFirst,
  Unsqueeze: ofFirst,
  Flatten: ofFirst,
  Transpose: ofFirst,
  Slice: ofFirst,
  Tile: ofFirst,
  Identity: ofFirst,
  Cast: (op, of) => {
    const x = ofFirst(op, of);
    return x !== null && op.outputs[0]?.value?.type?.dtype === "bool" ? Number(x !== 0) : x;
  },
  Gather: (op, of) => (isFilled(op.inputs[0]) ? ofFirst(op, of) : null),
  ConstantOfShape: made,
  Where: chosen,
  Not: (op, of) => {
    const x = ofFirst(op, of);
    return x === null ? null : Number(!x);
  },
  And: ofBoth((a, b) => a && b),
  Or: ofBoth((a, b) => a || b),
  Equal: ofBoth((a, b) => a === b),
  Greater: ofBoth((a, b) => a > b),
  Less: ofBoth((a, b) => a < b),
  Add: ofBoth((a, b) => a + b),
  Sub: ofBoth((a, b) => a - b),
  Mul: ofBoth((a, b) => a * b),
};

/** What a wire is known to be from elsewhere; undefined where what makes it decides. */
export type Known = (wire: Wire) => number | null | undefined;

/** The number that every element is; null where they differ, or nothing proves that they do not. */
export function uniform(wire: Wire | null | undefined, given?: Known): number | null {
  const memo = new Map<Wire, number | null>();
  const find = (at: Wire | null | undefined, depth: number): number | null => {
    if (!at || depth > deepEnough) return null;
    const known = memo.get(at);
    if (known !== undefined) return known;
    const told = given?.(at);
    if (told !== undefined) return told;
    const found = at.from
      ? (rules[at.from.type]?.(at.from, (x) => find(x, depth + 1)) ?? null)
      : null;
    const number = storedNumber(at) ?? found;
    memo.set(at, number);
    return number;
  };
  return find(wire, 0);
}

/** One for each head would be a weight too. */
function storedNumber(wire: Wire): number | null {
  const tensor = storedTensor(wire);
  if (!tensor || (tensor.shape.at(-3) ?? 1) !== 1) return null;
  const numbers = numbersOf(tensor, largestTable);
  const first = numbers?.[0];
  return first !== undefined && numbers!.every((x) => x === first) ? first : null;
}
