import type { Model, Value } from "../../src/ir/graph.ts";
import { elements } from "../../src/ir/types.ts";
import { isParameter } from "../../src/measure/index.ts";

/** Parameters that came and went since it was last asked. */
export interface WeightLedger {
  changes(model: Model): { readonly added: number; readonly removed: number };
}

/** A resized weight counts by the difference. */
export function openLedger(model: Model): WeightLedger {
  let known = sizesOf(model);
  return {
    changes(model) {
      const now = sizesOf(model);
      let [added, removed] = [0, 0];
      for (const value of new Set([...known.keys(), ...now.keys()])) {
        const change = (now.get(value) ?? 0) - (known.get(value) ?? 0);
        if (change > 0) added += change;
        else removed -= change;
      }
      known = now;
      return { added, removed };
    },
  };
}

function sizesOf(model: Model): Map<Value, number> {
  const sizes = new Map<Value, number>();
  for (const value of model.graph.initializers) {
    const { initializer } = value;
    if (initializer && isParameter(initializer)) sizes.set(value, elements(initializer.shape));
  }
  return sizes;
}
