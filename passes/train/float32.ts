/** Training computes in float32: half-precision weights are cast once, and rounded on writing. */
import { materialize } from "../../src/ir/bytes.ts";
import type { Initializer, Model } from "../../src/ir/graph.ts";
import { dtypes, elements } from "../../src/ir/types.ts";
import { decodeElements, encodeElements } from "../../src/onnx-ops/elements.ts";
import { fixType, storeWeight } from "../../src/onnx-ops/interface.ts";
import { Patch } from "../../src/onnx-ops/patch.ts";

const half = (dtype: string) => dtype === "float16" || dtype === "bfloat16";

/** Weights, constants, casts and inputs of half precision become float32. Types are to be inferred anew. */
export function widen({ graph }: Model): void {
  for (const value of graph.initializers) {
    if (half(value.initializer!.dtype)) storeWeight(value, widened(value.initializer!));
  }
  for (const value of graph.inputs) {
    if (value.type && half(value.type.dtype)) fixType(value, { ...value.type, dtype: "float32" });
  }
  const patch = new Patch(graph, null, "");
  for (const node of graph.nodes) {
    if (node.op === "Cast" && toHalf(node.int("to")))
      patch.retune(node, { to: dtypes.float32.code });
    for (const name of ["value", "dtype"]) {
      const held = node.attributes.get(name)?.value;
      if (held?.type === "tensor" && half(held.value.dtype)) {
        patch.retune(node, { [name]: widened(held.value) });
      }
    }
  }
  patch.commit();
}

function toHalf(code: number | undefined): boolean {
  return code === dtypes.float16.code || code === dtypes.bfloat16.code;
}

/** The same numbers in float32, made when they are read. */
export function widened(tensor: Initializer): Initializer {
  const length = elements(tensor.shape) * 4;
  const compute = () =>
    encodeElements("float32", decodeElements(tensor.dtype, materialize(tensor.data)));
  return { ...tensor, dtype: "float32", origin: null, data: { kind: "computed", length, compute } };
}
