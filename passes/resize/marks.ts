/**
 * Which axes count the units of a resize: hidden units of an MLP, heads of an attention. Marks start
 * at the rows of the projections and are carried through the nodes up to the output projection.
 */
import type { Node, Value } from "../../src/ir/graph.ts";
import type { Dim } from "../../src/ir/types.ts";

/** An axis of size outer * units * inner, row-major: all that is left when units come and go. */
export interface Mark {
  readonly axis: number;
  /** null: a size that only the runtime knows, such as the batch. */
  readonly outer: number | null;
  readonly inner: number;
}

/** What an element that stands for a new unit gets. */
export type Filler = "random" | "zero" | "one";

/** A stored tensor that has to be cut or extended along its marked axis. */
export interface MarkedTensor {
  readonly value: Value;
  readonly mark: Mark;
  readonly filler: Filler;
  /** `fc1.weight`: what a copy of its own is called, where the tensor is shared. */
  readonly role: string;
  /** Inputs of its projection. */
  readonly fanIn: number;
}

/**
 * An element of a vector of whole numbers: a number, or what the runtime computes for it, as it is
 * (null) or times the new count of units over the old one ("scaled").
 */
export type Entry = number | null | "scaled";

/** What a rule sees of a node, and what it may ask to be changed. */
export interface View {
  readonly node: Node;
  /** Units before. */
  readonly units: number;
  /** Units afterwards. */
  readonly resized: number;
  has(input: number): boolean;
  mark(input: number): Mark | null;
  shape(input: number): readonly Dim[];
  outputShape(output: number): readonly Dim[];
  /** Elements of an initializer or a Constant node. */
  stored(input: number): readonly number[] | null;
  /** Elements of a small integer tensor, as far as shapes and constants tell them. */
  ints(input: number): readonly (number | null)[] | null;
  /** Whether an input was computed from the number of units, and so changes with it. */
  counted(input: number): boolean;
  /** Makes an input the vector `values`. */
  setInts(input: number, values: readonly Entry[]): void;
  setAttributes(values: Readonly<Record<string, number | readonly number[]>>): void;
  /** A stored operand that has one element, or several, for each unit. */
  addTensor(input: number, mark: Mark, filler: Filler): void;
  /** @throws GraftError that names the node. */
  refuse(why: string): never;
}

/** Marks of the outputs. */
export type Rule = (view: View) => readonly (Mark | null)[];

/** null: known to the runtime alone. */
export function sizeOf(mark: Mark, units: number): number | null {
  return mark.outer === null ? null : mark.outer * units * mark.inner;
}

/** The same stretch of units, wherever its axis stands. */
export function sameUnits(a: Mark, b: Mark): boolean {
  return a.outer === b.outer && a.inner === b.inner;
}

export function onAxis(mark: Mark, axis: number): Mark {
  return { ...mark, axis };
}
