/** What a mask hides: nothing, or all that comes after a token. */
import type { Constants } from "./constants.ts";
import { numbersOf, storedTensor } from "./constants.ts";
import type { Mask } from "./cores.ts";
import type { Op, Wire } from "./flow.ts";
import { largestTable, uniform } from "./uniform.ts";

const farEnough = 400;
const veryNegative = -1e4;
const lookups = /^Gather/;

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
    if (!op || seen.has(op) || seen.size > farEnough) continue;
    seen.add(op);
    if (op.type === "Trilu") return true;
    if (/^(Less|Greater)(OrEqual)?$/.test(op.type) && comparesPositions(op, constants)) return true;
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

/** One range down, another one across: the result has rows and columns. */
function comparesPositions(op: Op, constants: Constants): boolean {
  const shape = op.outputs[0]?.value?.type?.shape;
  if (shape && (shape.length < 2 || shape.slice(-2).includes(1))) return false;
  return op.inputs.every(
    (wire) => wire && constants.scalar(wire) === null && comesFromRange(wire, 0),
  );
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
