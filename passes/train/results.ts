/** What training learned, put into the edited model: under its own names, in its own types. */
import { materialize } from "../../src/ir/bytes.ts";
import { byteLength, elements } from "../../src/ir/types.ts";
import type { StoredTensor } from "../../src/onnx/index.ts";
import { decodeElements, encodeElements } from "../../src/onnx-ops/elements.ts";
import { storeWeight } from "../../src/onnx-ops/interface.ts";
import { transposed } from "../../src/onnx-ops/transposed.ts";
import { type Edited, parametersOf } from "./parameters.ts";
import type { Recipe } from "./recipe.ts";

/**
 * @param recipe what was trained, and so which weight has which name.
 * @param learned float32, linear layers [out, in]; half-precision weights are rounded to nearest.
 */
export function storeResults(
  recipe: Recipe,
  edited: Edited,
  learned: ReadonlyMap<string, StoredTensor>,
): void {
  const left = new Set(learned.keys());
  for (const { name, value, dtype, shape, layout } of parametersOf(recipe, edited)) {
    const tensor = learned.get(name);
    if (!tensor) continue;
    left.delete(name);
    const initializer = value.initializer!;
    if (dtype === "float32" && layout !== "in,out") {
      storeWeight(value, { ...initializer, data: tensor.data });
      continue;
    }
    const length = byteLength(dtype, elements(shape));
    const compute = () => {
      const bytes = materialize(tensor.data);
      const stored =
        layout === "in,out"
          ? transposed(bytes, "float32", tensor.shape as [number, number])
          : bytes;
      return dtype === "float32"
        ? stored
        : encodeElements(dtype, decodeElements("float32", stored));
    };
    storeWeight(value, { ...initializer, data: { kind: "computed", length, compute } });
  }
  if (left.size > 0) throw new Error(`nothing is called ${[...left].join(", ")} in the model`);
}
