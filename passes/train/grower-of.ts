import type { Model } from "../../src/ir/graph.ts";
import { Grower } from "../../src/onnx-ops/grower.ts";
import { Patch } from "../../src/onnx-ops/patch.ts";

/** A grower at the model's opset whose nodes are named after `scope`. */
export function growerOf({ graph, opsets }: Model, scope: string): Grower {
  return new Grower(new Patch(graph, null, scope), opsets.get("") ?? 20);
}
