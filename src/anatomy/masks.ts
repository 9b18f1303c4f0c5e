/** What a mask hides: nothing, or all that comes after a token. */
import type { Constants } from "./constants.ts";
import { numbersOf, storedTensor } from "./constants.ts";
import type { Mask } from "./cores.ts";
import type { Op, Wire } from "./flow.ts";
import { largestTable, uniform } from "./uniform.ts";

const farEnough = 400;
const veryNegative = -1e4;
const lookups = /^Gather/;
/** A bias that is projected from coordinates: what stands behind the product is weights. */
const products = /^(MatMul|Gemm|Einsum|Conv)$/;
const comparison = /^(Less|Greater)(OrEqual)?$/;

/**
 * Looks for a triangle: a stored one, Trilu, or a comparison of two ranges of positions. Whatever
 * else the mask does (padding, windows) is not looked at.
 */
export function isCausal(mask: Mask, constants: Constants): boolean {
  if (mask.means === "padding" && mask.wire.value?.type?.shape?.length !== 3) return false;
  const seen = new Set<Op>();
  const open: Wire[] = [mask.wire];
  for (let wire = open.pop(); wire; wire = open.pop()) {
    if (isTriangle(wire)) return true;
    const op = wire.from;
    if (!op || seen.has(op) || seen.size > farEnough || products.test(op.type)) continue;
    seen.add(op);
    if (op.type === "Trilu" && splitsBehindSelf(op, constants)) return true;
    if (comparison.test(op.type) && comparesPositions(op, constants)) return true;
    // What is looked up by a position (a table of biases) says nothing by where it is looked up.
    const inputs = lookups.test(op.type) ? op.inputs.slice(0, 1) : op.inputs;
    if (op.type !== "Shape") for (const input of inputs) if (input) open.push(input);
  }
  return false;
}

/** A mask that provably shows every key to every query: exporters write such ones. */
export function hidesNothing({ wire, means }: Mask): boolean {
  if (means === "padding") return false;
  return uniform(wire) === (means === "keep" ? 1 : 0);
}

const spreading = new Set(["Expand", "Unsqueeze", "Identity", "Cast"]);

/** A stored triangle of two values: no bias, window or padding stands in it. */
export function isPlainTriangle({ wire }: Mask): boolean {
  const { from } = wire;
  const source = from?.inputs[0];
  if (from && source && spreading.has(from.type)) {
    return isPlainTriangle({ means: "add", wire: source });
  }
  const tensor = isTriangle(wire) ? storedTensor(wire) : null;
  const [columns = 0, rows = 0] = tensor?.shape.toReversed() ?? [];
  const numbers = tensor && numbersOf(tensor, largestTable);
  if (!numbers || columns !== rows) return false;
  return numbers.every((x, i) => {
    const ahead = (i % columns) - (Math.floor(i / columns) % rows);
    return x === (ahead > 0 ? numbers[1] : numbers[0]);
  });
}

/** Trilu parts what comes after a token from the rest; bands and windows are cut off elsewhere. */
function splitsBehindSelf(op: Op, constants: Constants): boolean {
  const upper = (op.node.int("upper") ?? 1) !== 0;
  const diagonal = op.inputs[1] ? constants.scalar(op.inputs[1]) : 0;
  return diagonal === null || diagonal === (upper ? 1 : 0);
}

/**
 * One range down, another one across: the result has rows and columns. Where both ranges have a known
 * start, the line between the two sides must run behind each query's own key.
 */
function comparesPositions(op: Op, constants: Constants): boolean {
  const shape = op.outputs[0]?.value?.type?.shape;
  if (shape && (shape.length < 2 || shape.slice(-2).includes(1))) return false;
  const ranges = op.inputs.every(
    (wire) => wire && constants.scalar(wire) === null && comesFromRange(wire, 0),
  );
  if (!ranges) return false;
  const [a, b] = op.inputs.map((wire) => startOf(wire!, constants, 0));
  if (typeof a !== "number" || typeof b !== "number") return true;
  const keysFirst = op.inputs[1]?.value?.type?.shape?.at(-1) === 1;
  const strict = !op.type.endsWith("OrEqual");
  // Keys up to `last` places behind the query lie on one side of the line.
  const keysBelow = op.type.startsWith("Less") === keysFirst;
  const last = (keysFirst ? b - a : a - b) - (keysBelow === strict ? 1 : 0);
  return last === 0;
}

const moving = new Set([...spreading, "Reshape", "Squeeze", "Transpose"]);

/** The number that a range of positions begins with, as far as it is known. */
function startOf(wire: Wire, constants: Constants, depth: number): number | null {
  const op = wire.from;
  const first = storedTensor(wire) && isRamp(wire) ? constants.elements(wire)?.[0] : undefined;
  if (first !== undefined) return first;
  if (!op || depth > 12) return null;
  const [a, b] = op.inputs;
  if (op.type === "Range") return constants.scalar(a);
  if (moving.has(op.type)) return a ? startOf(a, constants, depth + 1) : null;
  if (op.type !== "Add" && op.type !== "Sub") return null;
  const [left, right] = [constants.scalar(a), constants.scalar(b)];
  const start = left === null ? a : b;
  const inner = start ? startOf(start, constants, depth + 1) : null;
  if (inner === null) return null;
  if (op.type === "Add") return left === null && right === null ? null : inner + (left ?? right!);
  return right === null ? null : inner - right;
}

function comesFromRange(wire: Wire, depth: number): boolean {
  const op = wire.from;
  if (!op) return isRamp(wire);
  if (op.type === "Range" || op.type === "CumSum") return true;
  if (op.type === "Constant") return isRamp(wire);
  if (depth > 12) return false;
  return op.inputs.some((input) => input && comesFromRange(input, depth + 1));
}

function isRamp(wire: Wire): boolean {
  const tensor = storedTensor(wire);
  const numbers = tensor && numbersOf(tensor);
  return Boolean(numbers && numbers.length > 1 && numbers.every((x, i) => x === numbers[0]! + i));
}

/**
 * A stored [.., N, M] tensor that hides all keys behind the last query's own, counted from the end,
 * and shows each query its own; keys long before may be hidden too (sliding windows). Booleans hide
 * by either value; numbers by being very negative, so that biases may stand beside.
 */
function isTriangle(wire: Wire): boolean {
  const tensor = storedTensor(wire);
  if (!tensor || tensor.shape.length < 2) return false;
  const [rows, columns] = [tensor.shape.at(-2)!, tensor.shape.at(-1)!];
  if (columns < rows || rows < 2 || rows * columns > largestTable) return false;
  const numbers = numbersOf(tensor, largestTable);
  if (!numbers) return false;
  const shift = columns - rows;
  const corner = numbers[shift + 1]!;
  const far = numbers.some((x) => x <= veryNegative);
  const hides = (x: number) => (far ? x <= veryNegative : x === corner);
  return numbers.every((x, i) => {
    const ahead = (i % columns) - (Math.floor(i / columns) % rows) - shift;
    return ahead > 0 ? hides(x) : ahead < 0 || !hides(x);
  });
}
