/** What an expression of an operator can be worth. */
import type { Linear } from "../anatomy/anatomy.ts";
import type { Value } from "../ir/graph.ts";
import { type DType, showShape } from "../ir/types.ts";
import type { Extent } from "../onnx-ops/dims.ts";

export type { Extent };

/** A tensor known at compile time. Elements are float64 until they are stored. */
export interface Known {
  readonly kind: "known";
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

/** A tensor that the model computes. */
export interface Wire {
  readonly kind: "wire";
  readonly dtype: DType;
  readonly shape: readonly Extent[];
  readonly value: Value;
  /** Its elements, where they are sizes. */
  readonly ints?: readonly Extent[] | undefined;
  /** A number that is only known when the model runs: takes the other operand's type. */
  readonly weak?: boolean | undefined;
}

export type Tensor = Known | Wire;

/** A symbolic size, as a number. */
export interface Size {
  readonly kind: "size";
  readonly dim: string;
}

/** A shape, a list, or the several values of a call. */
export interface List {
  readonly kind: "list";
  readonly items: readonly Val[];
}

/** Rows of the host's projections, as one map [out, in]. */
export interface HostMap {
  readonly kind: "host-map";
  readonly name: string;
  readonly pieces: readonly HostRows[];
  /** Why the host has no such map; null where it has. */
  readonly missing: string | null;
}

export interface HostRows {
  readonly linear: Linear;
  /** Rows of this map, half-open. */
  readonly from: number;
  readonly to: number;
}

export interface DTypeName {
  readonly kind: "dtype";
  readonly dtype: DType;
}

/** Numbers, strings, truths and `none` stand for themselves. */
export type Val =
  | number
  | string
  | boolean
  | null
  | Tensor
  | Size
  | List
  | HostMap
  | DTypeName
  | { readonly kind: "host" };

/** What arithmetic takes. */
export type Operand = Tensor | Size | number | boolean;

export function kindOf(value: Val): string {
  if (value === null) return "none";
  return typeof value === "object" ? value.kind : typeof value;
}

export function isTensor(value: Val): value is Tensor {
  return kindOf(value) === "known" || kindOf(value) === "wire";
}

export function isOperand(value: Val): value is Operand {
  return isTensor(value) || ["size", "number", "boolean"].includes(kindOf(value));
}

export function list(items: readonly Val[]): List {
  return { kind: "list", items };
}

/** A number, or the Size that stands for a symbolic one. */
export function sizeValue(extent: Extent): number | Size {
  return typeof extent === "number" ? extent : { kind: "size", dim: extent };
}

/** For messages: `float32[B, 16, 64]`, `3`, `"tanh"`. */
export function show(value: Val): string {
  if (value === null) return "none";
  if (typeof value === "string") return `"${value}"`;
  if (typeof value !== "object") return String(value);
  switch (value.kind) {
    case "known":
    case "wire":
      return `${value.dtype}${showShape(value.shape)}`;
    case "size":
      return value.dim;
    case "list":
      return `[${value.items.map(show).join(", ")}]`;
    case "host-map":
      return `\`host.${value.name}\``;
    case "dtype":
      return value.dtype;
    case "host":
      return "`host`";
  }
}
