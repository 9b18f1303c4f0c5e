import { expect, test } from "vitest";
import { symbolsIn, trialsFor } from "../../runtime/infer/symbols.ts";

test.each([2, 3, 4])("of %d sizes none is another and a number in every round", (count) => {
  const shape = ["batch", "tokens", "memory", "frames"].slice(0, count);
  for (const trial of trialsFor(symbolsIn([{ dtype: "float32", shape }]), [])) {
    for (const [i, a] of shape.entries()) {
      for (const b of shape.slice(0, i)) {
        const apart = trial.map((sizes) => sizes.get(a)! - sizes.get(b)!);
        if (apart.some((distance) => distance !== 0))
          expect(new Set(apart).size).toBeGreaterThan(1);
      }
    }
  }
});
