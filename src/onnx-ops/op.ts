/**
 * What graftc knows of an ONNX operator beyond its schema (schemas.ts): one literal each, families
 * of them in the files beside this one.
 */
import { fail } from "../diag/diagnostic.ts";
import type { Attribute } from "../ir/graph.ts";
import { type Dim, type DType, showShape, type TensorType } from "../ir/types.ts";
import type { Vjp } from "./vjp.ts";

export interface OpLiteral {
  readonly op: string;
  /**
   * Types of the outputs; null where the rule does not reach, so that the oracle is asked.
   * @throws GraftError `shapes-do-not-meet` where no runtime could run it.
   */
  readonly infer?: Infer;
  /** The gradients of its inputs. None: its outputs do not vary with them smoothly, or nobody wrote it yet. */
  readonly vjp?: Vjp;
}

export type Infer = (request: InferRequest) => readonly TensorType[] | null;

export interface InferRequest {
  readonly inputs: readonly (Operand | null)[];
  readonly attributes: AttributeReader;
  readonly opset: number;
  /** How many outputs are wanted. */
  readonly outputs: number;
}

/** What a rule sees of one input. */
export interface Operand {
  readonly dtype: DType;
  /** null: even the rank is unknown. */
  readonly shape: readonly Dim[] | null;
  /** Its elements, where they are known sizes or whole numbers: targets of Reshape, bounds, axes. */
  readonly ints?: readonly Dim[] | undefined;
}

/** An operand whose rank is known. */
export interface Ranked extends Operand {
  readonly shape: readonly Dim[];
}

export interface AttributeReader {
  int(name: string): number | undefined;
  float(name: string): number | undefined;
  ints(name: string): readonly number[] | undefined;
  string(name: string): string | undefined;
  tensorType(name: string): DType | undefined;
}

export function readerOf(attributes: ReadonlyMap<string, Attribute>): AttributeReader {
  const of = (name: string) => attributes.get(name)?.value;
  return {
    int: (name) => {
      const value = of(name);
      return value?.type === "int" ? Number(value.value) : undefined;
    },
    float: (name) => {
      const value = of(name);
      return value?.type === "float" ? value.value : undefined;
    },
    ints: (name) => {
      const value = of(name);
      return value?.type === "ints" ? value.value.map(Number) : undefined;
    },
    string: (name) => {
      const value = of(name);
      return value?.type === "string" ? new TextDecoder().decode(value.value) : undefined;
    },
    tensorType: (name) => {
      const value = of(name);
      return value?.type === "tensor" ? value.value.dtype : undefined;
    },
  };
}

/** The rule applied to operands of known rank; null where a rank is unknown. */
export function ranked(
  rule: (inputs: readonly Ranked[], request: InferRequest) => readonly TensorType[] | null,
): Infer {
  return (request) => {
    const inputs = request.inputs.filter((input) => input !== null);
    const known = inputs.filter((input): input is Ranked => input.shape !== null);
    return known.length === inputs.length ? rule(known, request) : null;
  };
}

/** @throws GraftError: the shapes that met at an operator, and why they may not. */
export function refuse(op: string, operands: readonly Operand[], why: string): never {
  const shapes = operands.map(({ shape }) => showShape(shape)).join(" and ");
  throw fail("shapes-do-not-meet", { op, shapes }, { hint: why });
}

/** From 0, for an axis that may count from the end. */
export function normalAxis(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}

/** As `normalAxis`. @throws GraftError where the operand has no such axis. */
export function axisOf(op: string, axis: number, operand: Ranked, extra = 0): number {
  const rank = operand.shape.length + extra;
  if (axis < -rank || axis >= rank) refuse(op, [operand], `there is no axis ${axis}`);
  return normalAxis(axis, rank);
}

/** Symbolic sizes count as equal unless both are numbers: the runtime will know. */
export function mayEqual(a: Dim, b: Dim): boolean {
  return typeof a !== "number" || typeof b !== "number" || a === b;
}

/** The more telling of two sizes that have to be equal. */
export function unify(a: Dim, b: Dim): Dim {
  if (typeof a === "number" || b === null) return a;
  if (typeof b === "number" || a === null || a === b) return b;
  return a;
}

/** Outputs are like the first input. */
export const likeFirst: Infer = ({ inputs: [x] }) =>
  x ? [{ dtype: x.dtype, shape: x.shape }] : null;

/** Operands broadcast; the output has the element type of the first. */
export function broadcasts(op: string): Infer {
  return ranked((inputs) => [{ dtype: inputs[0]!.dtype, shape: broadcast(op, inputs) }]);
}

/** NumPy's rule. A symbolic size beside a number above 1 can only be that number. */
export function broadcast(op: string, operands: readonly Ranked[]): readonly Dim[] {
  return operands.reduce<readonly Dim[]>((shape, operand) => {
    const [short, long] =
      shape.length < operand.shape.length ? [shape, operand.shape] : [operand.shape, shape];
    const padded = [...Array<Dim>(long.length - short.length).fill(1), ...short];
    return long.map((dim, i) => {
      const other = padded[i]!;
      if (dim === 1) return other;
      if (other === 1) return dim;
      if (!mayEqual(dim, other)) refuse(op, operands, `${dim} and ${other} do not broadcast`);
      return typeof dim === "string" && typeof other === "string" && dim !== other
        ? null
        : unify(dim, other);
    });
  }, []);
}
