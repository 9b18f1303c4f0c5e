/** What training learned, put into the edited model: under its own names, in its own types. */
import type { StoredTensor } from "../../src/onnx/index.ts";
import { storeWeight } from "../../src/onnx-ops/interface.ts";
import { asStored } from "../graph/as-stored.ts";
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
  for (const { name, value, layout } of parametersOf(recipe, edited)) {
    const tensor = learned.get(name);
    if (!tensor) continue;
    left.delete(name);
    const initializer = value.initializer!;
    storeWeight(value, { ...initializer, data: asStored(tensor, initializer, layout) });
  }
  if (left.size > 0) throw new Error(`nothing is called ${[...left].join(", ")} in the model`);
}
