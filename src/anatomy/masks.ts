/** What a mask hides: nothing, or all that comes after a token. */
import type { Constants } from "./constants.ts";
import { numbersOf, storedTensor } from "./constants.ts";
import type { Mask } from "./cores.ts";
import type { Op, Wire } from "./flow.ts";
import { comparison, isRamp, lineOf, sidesOf, triluOf } from "./triangles.ts";
import { largestTable, uniform } from "./uniform.ts";

const farEnough = 400;
/** Hides a key, where it is added to its score. */
export const veryNegative = -1e4;
const lookups = /^Gather/;
/** A bias that is projected from coordinates: what stands behind the product is weights. */
const products = /^(MatMul|Gemm|Einsum|Conv)$/;

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
    if (op.type === "Trilu" && triluOf(op, constants).splits !== false) return true;
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

/** It shows each query all keys up to its own: no bias, window or padding stands in it. */
export function hidesOnlyLater({ wire, means }: Mask, constants: Constants): boolean {
  const [seen, ahead] = sidesOf(wire, constants);
  if (seen === null || ahead === null || means === "padding") return false;
  if (means === "keep" || means === "drop") return (seen !== 0) === (means === "keep");
  return Number.isFinite(seen) && (means === "add" ? seen : -seen) > veryNegative;
}

/** Where both ranges have a known start, the line must run behind each query's own key. */
function comparesPositions(op: Op, constants: Constants): boolean {
  const shape = op.outputs[0]?.value?.type?.shape;
  if (shape && (shape.length < 2 || shape.slice(-2).includes(1))) return false;
  const ranges = op.inputs.every(
    (wire) => wire && constants.scalar(wire) === null && comesFromRange(wire, 0),
  );
  if (!ranges) return false;
  const line = lineOf(op, constants);
  return line === null || line.last === 0;
}

function comesFromRange(wire: Wire, depth: number): boolean {
  const op = wire.from;
  if (!op) return isRamp(wire);
  if (op.type === "Range" || op.type === "CumSum") return true;
  if (op.type === "Constant") return isRamp(wire);
  if (depth > 12) return false;
  return op.inputs.some((input) => input && comesFromRange(input, depth + 1));
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
