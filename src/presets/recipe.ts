import type { Value } from "../ir/graph.ts";
import type { TensorType } from "../ir/types.ts";
import type { Growth } from "./growth.ts";

export interface Size {
  /** Width of the residual stream; heads divide it. */
  readonly width: number;
  /** Blocks. */
  readonly depth: number;
  readonly heads: number;
  /** Rows, and columns, of the token grid. */
  readonly side: number;
  /** Pixels on the side of a token. */
  readonly patch: number;
}

/** How a family of models is made. */
export interface Recipe {
  inputs(size: Size): Readonly<Record<string, TensorType>>;
  output(size: Size): { readonly name: string; readonly type: TensorType };
  /** @param inputs in the order of `inputs`; returns the output. */
  grow(growth: Growth, inputs: readonly Value[], size: Size): Value;
}
