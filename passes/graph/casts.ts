import type { Value } from "../../src/ir/graph.ts";
import { dtypes } from "../../src/ir/types.ts";
import type { Patch } from "../../src/onnx-ops/patch.ts";

/** `value` in the element type of `like`: mixed-precision exports cast between blocks. */
export function sameType(patch: Patch, value: Value, like: Value): Value {
  const [type, wanted] = [value.type, like.type];
  if (!type || !wanted || type.dtype === wanted.dtype) return value;
  const { dtype } = wanted;
  const attributes = { to: dtypes[dtype].code };
  return patch.one("Cast", [value], { attributes, types: [{ ...type, dtype }] });
}
