/** What a model does with an input, as far as that limits which numbers make sense there. */
import type { Node, Value } from "../../src/ir/graph.ts";

export type InputUse =
  /** Whole numbers below `limit` pick rows of a table. */
  | { readonly kind: "index"; readonly limit: number }
  /** Zeros and ones switch places off and on. */
  | { readonly kind: "mask" }
  /** Counted along some scale, a timestep say. */
  | { readonly kind: "scale" }
  | { readonly kind: "any" };

/** Operators whose output holds numbers of their first input, unchanged. */
const carriers = new Set([
  "Cast",
  "Identity",
  "Unsqueeze",
  "Squeeze",
  "Reshape",
  "Flatten",
  "Expand",
  "Transpose",
  "Slice",
  "Split",
  "Tile",
  "Concat",
  "Clip",
]);

const switches = new Set([
  "Equal",
  "Greater",
  "Less",
  "GreaterOrEqual",
  "LessOrEqual",
  "Not",
  "And",
]);

/** Follows an input to what reads it. */
export function useOf(input: Value): InputUse {
  const limits: number[] = [];
  let switched = input.type?.dtype === "bool";
  let toFloat = false;
  const seen = new Set<Value>([input]);
  for (const value of seen) {
    for (const { node, index } of value.uses) {
      const limit = rowsFor(node, index);
      if (limit !== undefined) limits.push(limit);
      switched ||= switches.has(node.op) || (node.op === "Where" && index === 0);
      toFloat ||= node.op === "Cast" && (node.int("to") === 1 || node.int("to") === 10);
      if (!carriers.has(node.op) || (index > 0 && node.op !== "Concat")) continue;
      for (const output of node.outputs) if (output) seen.add(output);
    }
  }
  if (limits.length > 0) return { kind: "index", limit: Math.min(...limits) };
  const rank = input.type?.shape?.length ?? 0;
  if (switched || (toFloat && rank >= 2)) return { kind: "mask" };
  return rank <= 1 ? { kind: "scale" } : { kind: "any" };
}

/** How many rows there are to pick from, where input `index` of `node` picks some. */
function rowsFor(node: Node, index: number): number | undefined {
  const sizeOf = (at: number, axis: number) => {
    const shape = node.inputs[at]?.type?.shape;
    const size = shape?.at(axis);
    return typeof size === "number" ? size : undefined;
  };
  if (index === 1 && (node.op === "Gather" || node.op === "GatherElements")) {
    return sizeOf(0, node.int("axis") ?? 0);
  }
  if (index === 1 && node.op === "GatherND") return sizeOf(0, node.int("batch_dims") ?? 0);
  if (node.op === "com.microsoft::EmbedLayerNormalization") {
    if (index === 0) return sizeOf(2, 0);
    if (index === 1) return sizeOf(4, 0);
    if (index === 8) return sizeOf(3, 0);
  }
  return undefined;
}
