/** What ONNX Runtime's answers say that is not so. */
import type { Node, Value } from "../../src/ir/graph.ts";
import type { Measured } from "./probe.ts";

/**
 * Corrects what was measured of the values of `nodes`, in their order. A scalar and a tensor of
 * unknown rank are both shown as []: unknown is what an operator makes that need not know the rank,
 * and what is made from it. And a cache with a past is said to stay as long as that.
 */
export function correct(nodes: readonly Node[], measured: Map<string, Measured>): void {
  const shapeOf = (value: Value | null | undefined) =>
    value && (measured.get(value.name)?.shape ?? value.initializer?.shape);
  for (const node of nodes) {
    if (node.op === "com.microsoft::GroupQueryAttention" && node.inputs[3]) {
      for (const value of node.outputs.slice(1)) lengthen(value, measured);
    }
    const tainted = node.inputs.some((value) => value && measured.get(value.name)?.shape === null);
    for (const value of node.outputs) {
      if (!value || shapeOf(value)?.length !== 0) continue;
      if (!tainted && !mayLackRank(node, shapeOf)) continue;
      measured.set(value.name, { ...measured.get(value.name)!, shape: null });
    }
  }
}

/** [B, H, N, d] of present keys or values, of as many tokens as came and are to come. */
function lengthen(value: Value | null, measured: Map<string, Measured>): void {
  const type = measured.get(value?.name ?? "");
  if (!value || !type?.shape) return;
  measured.set(value.name, { ...type, shape: type.shape.map((d, i) => (i === 2 ? null : d)) });
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
    case "CastLike":
      return shapeOf(node.inputs[0])?.length !== 0;
    case "Squeeze":
      return !isConstant(node.inputs[1]);
    default:
      if (node.opType.startsWith("Reduce") && node.int("keepdims") === 0) {
        return !isConstant(node.inputs[1]);
      }
      return (
        !reducers.has(node.opType) &&
        node.inputs.some((value) => value && shapeOf(value)?.length !== 0)
      );
  }
}

function isConstant(value: Value | null | undefined): boolean {
  return !value || value.initializer !== null || value.producer?.op === "Constant";
}
