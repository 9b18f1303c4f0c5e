/** The tables of adaLN-single: shifts, scales and gates that a block adds to those of the whole model. */
import type { Node, Value } from "../../src/ir/graph.ts";
import { storedBehind } from "./constants.ts";

/** What diffusers calls them, where exporters lost the name. */
export const modulationName = "scale_shift_table";

/** Tells rows apart, by constants or by what exporters compute from the shape. */
const takesRows = /^(Split|Slice|Gather|Shape)$/;

/** The stored table of an Add whose rows are told apart right behind it; else null. */
export function modulationTable(node: Node): Value | null {
  const [sum] = node.outputs;
  if (node.op !== "Add" || !sum || sum.uses.size === 0) return null;
  if (![...sum.uses].every((use) => use.index === 0 && takesRows.test(use.node.op))) return null;
  const stored = node.inputs.map((value) => value && storedBehind(value));
  const table = stored.find((value) => (value?.initializer?.shape.at(-2) ?? 1) > 1);
  return table && stored.filter(Boolean).length === 1 && table.uses.size === 1 ? table : null;
}
