/** Training graphs have opset 20 or later; the model itself keeps its own. */
import type { Model, Node } from "../../src/ir/graph.ts";
import type { attributesOf } from "../../src/onnx-ops/attributes.ts";
import { Patch } from "../../src/onnx-ops/patch.ts";

/** The oldest opset that gradients and losses are written in, and the newest that CUDA has a Loop for. */
export const trainingOpset = 20;

/** Reductions whose axes became an input with opset 18; ReduceSum has had it since 13. */
const reductions = /^Reduce(L1|L2|LogSum|LogSumExp|Max|Mean|Min|Prod|SumSquare)$/;

/** The same model in the words of opset 20, where it has fewer. */
export function raiseOpset(model: Model): Model {
  const opset = model.opsets.get("") ?? 1;
  if (opset >= trainingOpset) return model;
  const patch = new Patch(model.graph, null, "");
  if (opset < 18) for (const node of model.graph.nodes) raise(node, patch);
  patch.commit();
  return { ...model, opsets: new Map([...model.opsets, ["", trainingOpset]]) };
}

function raise(node: Node, patch: Patch): void {
  if (node.domain !== "") return;
  if (reductions.test(node.opType)) {
    const axes = node.ints("axes");
    const keep = node.int("keepdims") ?? 1;
    replace(node, patch, axes ? [node.inputs[0]!, patch.ints(axes)] : node.inputs, {
      keepdims: keep,
    });
  }
  if (node.opType === "Split" && !node.inputs[1]) {
    replace(node, patch, node.inputs, {
      axis: node.int("axis") ?? 0,
      num_outputs: node.outputs.length,
    });
  }
}

function replace(
  node: Node,
  patch: Patch,
  inputs: Node["inputs"],
  attributes: Parameters<typeof attributesOf>[0],
): void {
  const outputs = patch.add(node.opType, inputs, {
    attributes,
    outputs: node.outputs.length,
    types: node.outputs.map((value) => value?.type ?? null),
  });
  node.outputs.forEach((value, i) => {
    if (value) patch.shunt(value, outputs[i]!);
  });
}
