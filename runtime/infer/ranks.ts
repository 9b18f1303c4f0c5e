/** ONNX Runtime shows a scalar and a tensor of unknown rank alike, as []. This tells them apart. */
import type { Node, Value } from "../../src/ir/graph.ts";
import type { Measured } from "./probe.ts";

/**
 * Corrects values of `nodes`, in their order, that were measured as [] and whose rank is in truth
 * unknown: an operator that need not know the rank of what it makes made them, or they were made
 * from such a value.
 */
export function correctRanks(nodes: readonly Node[], measured: Map<string, Measured>): void {
  const shapeOf = (value: Value | null | undefined) =>
    value && (measured.get(value.name)?.shape ?? value.initializer?.shape);
  for (const node of nodes) {
    const tainted = node.inputs.some((value) => value && measured.get(value.name)?.shape === null);
    for (const value of node.outputs) {
      if (!value || shapeOf(value)?.length !== 0) continue;
      if (!tainted && !mayLackRank(node, shapeOf)) continue;
      measured.set(value.name, { ...measured.get(value.name)!, shape: null });
    }
  }
}

/** Operators that make a scalar of something else; all others make scalars of scalars only. */
const reducers = new Set([
  "Gather",
  "GatherND",
  "Squeeze",
  "Size",
  "Det",
  "DynamicQuantizeLinear",
  "Einsum",
  "MatMul",
  "MatMulInteger",
  "QLinearMatMul",
  "ArgMax",
  "ArgMin",
  "Range",
  "NegativeLogLikelihoodLoss",
  "SoftmaxCrossEntropyLoss",
]);

function mayLackRank(
  node: Node,
  shapeOf: (value: Value | null | undefined) => readonly unknown[] | null | undefined,
): boolean {
  const emptyShape = (index: number) => shapeOf(node.inputs[index])?.[0] === 0;
  if (node.domain !== "" || node.subgraphs.length > 0) return true;
  switch (node.opType) {
    case "Reshape":
    case "Expand":
      return !emptyShape(1);
    case "ConstantOfShape":
      return !emptyShape(0);
    case "Squeeze":
      return !isConstant(node.inputs[1]);
    default:
      return (
        !(reducers.has(node.opType) || node.opType.startsWith("Reduce")) &&
        node.inputs.some((value) => value && shapeOf(value)?.length !== 0)
      );
  }
}

function isConstant(value: Value | null | undefined): boolean {
  return !value || value.initializer !== null || value.producer?.op === "Constant";
}
