import type { Model } from "../../src/ir/graph.ts";
import { Patch } from "../../src/onnx-ops/patch.ts";

/**
 * What ONNX Runtime's optimizer calls the shapes around a product that it turns into a Gemm, the casts
 * around operators that the machine has not in half precision, and what is inside of operators that it
 * writes out.
 */
const reserved = /^(gemm_(input|output)_shape(_token_\d+)?$|InsertedPrecisionFreeCast_|_inlfunc_)/;

/**
 * Takes names that ONNX Runtime gives itself from values of a model that it has optimized. Where such a
 * model has new operators, it makes those names again when it loads, and refuses the model ("Attempt to
 * replace the existing tensor", "Duplicate definition of name"; 1.30 and 1.32).
 */
export function freeRuntimeNames({ graph }: Model): void {
  const taken = [...graph.values.values()].filter(({ name }) => reserved.test(name));
  if (taken.length === 0) return;
  const patch = new Patch(graph, null, "");
  for (const value of taken) patch.evict(value, `kept.${value.name}`);
  patch.commit();
}
