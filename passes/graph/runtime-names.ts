import type { Model } from "../../src/ir/graph.ts";
import { Patch } from "../../src/onnx-ops/patch.ts";
import { freeName } from "./free-name.ts";

/** What ONNX Runtime's optimizer calls the shapes around a product that it turns into a Gemm. */
const reserved = /^gemm_(input|output)_shape(_token_\d+)?$/;

/**
 * Takes names that ONNX Runtime gives itself from initializers of a model that it has optimized. Where
 * such a model has new products, it makes those names again when it loads, and refuses the model
 * ("Attempt to replace the existing tensor"; 1.30 and 1.32).
 */
export function freeRuntimeNames({ graph }: Model): void {
  const taken = [...graph.initializers].filter(({ name }) => reserved.test(name));
  if (taken.length === 0) return;
  const patch = new Patch(graph, null, "");
  for (const value of taken) {
    const { dtype, shape, data } = value.initializer!;
    const name = freeName(patch, `${value.name}.kept`);
    patch.shunt(value, patch.weight(name, dtype, shape, data));
  }
  patch.commit();
}
