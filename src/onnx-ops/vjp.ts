/** What the rule of a gradient gets and gives. Rules live in the literals of operators. */
import type { Extent } from "./dims.ts";
import type { Grower } from "./grower.ts";
import type { AttributeReader } from "./op.ts";
import type { Wire } from "./wire.ts";

export interface VjpRequest {
  /** Gradients of the outputs; null where the loss does not depend on one. */
  readonly dy: readonly (Wire | null)[];
  /** Inputs and outputs of the node; null: left out. */
  readonly x: readonly (Wire | null)[];
  readonly y: readonly (Wire | null)[];
  readonly attributes: AttributeReader;
  readonly grower: Grower;
  /** Whether anybody asks for the gradient of input `i`. What nobody reads is dropped afterwards. */
  wants(i: number): boolean;
  /** An optional output of the node, which is added to it where the model leaves it out. */
  output(i: number): Wire;
  /**
   * Offers the first output once more, computed from inputs alone: gradients that read it read this,
   * and the output need not be kept for them.
   */
  again(y: Wire): void;
  /** @throws GraftError `no-gradient`: the rule does not reach this form of the operator. */
  refuse(why: string): never;
}

/** The gradient of the elements from `start` up to `end` along one axis; the others have none. */
export interface Stretch {
  readonly axis: number;
  readonly start: Extent;
  readonly end: Extent;
  readonly gradient: Wire;
}

export type Part = Wire | Stretch;

/**
 * Gradients of the inputs, in their order; null or absent where there is none (indices, shapes).
 * A rule may return the gradient of the broadcast input: it is summed back to the input's shape by
 * the caller, and so is the dtype.
 */
export type Vjp = (request: VjpRequest) => readonly (Part | null | undefined)[];

/** Nothing flows back: the outputs are constant wherever they are smooth. */
export const flat: Vjp = () => [];

/** A rule for nodes of one output: `({ dy, x: [a, b] }) => [dy.mul(b), dy.mul(a)]`. */
export interface UnaryVjpRequest extends Omit<VjpRequest, "dy" | "x" | "y"> {
  readonly dy: Wire;
  readonly x: readonly Wire[];
  readonly y: Wire;
}

/** The same where only the first output varies and no input that the rule reads is left out. */
export function vjp(rule: (request: UnaryVjpRequest) => ReturnType<Vjp>): Vjp {
  return (request) => {
    const { dy, x, y } = request;
    if (!dy[0] || !y[0]) return [];
    return rule({ ...request, dy: dy[0], x: x as readonly Wire[], y: y[0] });
  };
}
