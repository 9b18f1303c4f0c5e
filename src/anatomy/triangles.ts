/** What a mask says of the keys up to each query's own, and what of those behind it. */
import type { Constants } from "./constants.ts";
import { numbersOf, storedTensor } from "./constants.ts";
import type { Op, Wire } from "./flow.ts";
import { largestTable, uniform } from "./uniform.ts";

/** The number for all keys up to a query's own, and the one for all others; null where unproven. */
export type Sides = readonly [seen: number | null, ahead: number | null];

export const comparison = /^(Less|Greater)(OrEqual)?$/;
const reshaping = ["Expand", "Unsqueeze", "Reshape", "Squeeze"];
const moving = new Set([...reshaping, "Transpose", "Identity", "Cast"]);
/** What may put an element elsewhere in the last two axes; the latter even where these stay as large. */
const rearranging = new Set([...reshaping, "Flatten", "Tile", "Transpose", "Slice"]);
const turning = new Set(["Transpose", "Slice"]);

export function sidesOf(wire: Wire, constants: Constants): Sides {
  const on = (side: 0 | 1) =>
    uniform(wire, (at) => {
      const sides = madeSides(at, constants);
      if (sides) return sides[side];
      const op = at.from;
      return op && rearranging.has(op.type) && !keepsSquare(op) ? uniform(at) : undefined;
    });
  return [on(0), on(1)];
}

/** Where the two sides begin to differ: in storage, by Trilu, by comparing positions. */
function madeSides(wire: Wire, constants: Constants): Sides | null {
  const op = wire.from;
  if (!op || storedTensor(wire)) return storedSides(wire);
  if (!isSquare(wire)) return null;
  if (op.type === "Trilu") {
    const { upper, splits } = triluOf(op, constants);
    const filled = uniform(op.inputs[0]);
    if (!splits || filled === null) return null;
    return upper ? [0, filled] : [filled, 0];
  }
  const line = comparison.test(op.type) ? lineOf(op, constants) : null;
  if (line?.last !== 0 || !meetsAcross(op, line.keysFirst)) return null;
  return line.below ? [1, 0] : [0, 1];
}

/** `splits`: it parts what comes after a token from the rest, as bands and windows do not; null: unknown. */
export function triluOf({ node, inputs: [, k] }: Op, constants: Constants) {
  const upper = (node.int("upper") ?? 1) !== 0;
  const diagonal = k ? constants.scalar(k) : 0;
  return { upper, splits: diagonal === null ? null : diagonal === (upper ? 1 : 0) };
}

function storedSides(wire: Wire): Sides | null {
  const tensor = storedTensor(wire);
  const [columns = 0, rows = 0] = tensor?.shape.toReversed() ?? [];
  const numbers = tensor && columns > 1 && columns === rows && numbersOf(tensor, largestTable);
  if (!numbers) return null;
  const [seen, ahead] = [numbers[0]!, numbers[1]!];
  const plain = numbers.every(
    (x, i) => x === (i % columns > Math.floor(i / columns) % rows ? ahead : seen),
  );
  return plain ? [seen, ahead] : null;
}

function isSquare(wire: Wire): boolean {
  const [rows, columns] = wire.value?.type?.shape?.slice(-2) ?? [];
  return rows != null && rows === columns;
}

function keepsSquare({ type, inputs, outputs }: Op): boolean {
  const [before, after] = [inputs[0], outputs[0]].map((wire) => wire?.value?.type?.shape);
  const same = before?.slice(-2).join() === after?.slice(-2).join();
  return same && !turning.has(type) && isSquare(outputs[0]!);
}

/** Queries stand in rows and keys in columns. */
function meetsAcross(op: Op, keysFirst: boolean): boolean {
  const [a, b] = op.inputs.map((wire) => wire?.value?.type?.shape ?? []);
  const [keys, queries] = keysFirst ? [a, b] : [b, a];
  return queries?.at(-1) === 1 && (keys?.at(-2) ?? 1) === 1;
}

export interface Line {
  /** How many places behind its query the last key on the near side of the line is. */
  readonly last: number;
  /** The comparison holds on the near side. */
  readonly below: boolean;
  /** Its first operand are the keys. */
  readonly keysFirst: boolean;
}

/** Where a comparison of positions parts the keys; null where the ranges' starts are unknown. */
export function lineOf(op: Op, constants: Constants): Line | null {
  const [a, b] = op.inputs.map((wire) => startOf(wire!, constants, 0));
  if (typeof a !== "number" || typeof b !== "number") return null;
  const keysFirst = op.inputs[1]?.value?.type?.shape?.at(-1) === 1;
  const strict = !op.type.endsWith("OrEqual");
  const below = op.type.startsWith("Less") === keysFirst;
  const last = (keysFirst ? b - a : a - b) - (below === strict ? 1 : 0);
  return { last, below, keysFirst };
}

/** The number that a range of positions begins with, as far as it is known. */
function startOf(wire: Wire, constants: Constants, depth: number): number | null {
  const op = wire.from;
  const first = storedTensor(wire) && isRamp(wire) ? constants.elements(wire)?.[0] : undefined;
  if (first !== undefined) return first;
  if (!op || depth > 12) return null;
  const [a, b] = op.inputs;
  if (op.type === "Range") return constants.scalar(op.inputs[2]) === 1 ? constants.scalar(a) : null;
  if (moving.has(op.type)) return a ? startOf(a, constants, depth + 1) : null;
  if (op.type !== "Add" && op.type !== "Sub") return null;
  const [left, right] = [constants.scalar(a), constants.scalar(b)];
  const start = left === null ? a : b;
  const inner = start ? startOf(start, constants, depth + 1) : null;
  if (inner === null) return null;
  if (op.type === "Add") return left === null && right === null ? null : inner + (left ?? right!);
  return right === null ? null : inner - right;
}

/** A stored row of positions, each one more than the one before. */
export function isRamp(wire: Wire): boolean {
  const tensor = storedTensor(wire);
  const numbers = tensor && numbersOf(tensor);
  return Boolean(numbers && numbers.length > 1 && numbers.every((x, i) => x === numbers[0]! + i));
}
