import { describe, expect, test } from "vitest";
import type { Dim, DType } from "../../src/ir/types.ts";
import { operators, tied } from "./golden-operators.ts";
import { distance, evaluate, grow, load, readGolden } from "./workbench.ts";

interface Variant {
  readonly opset: number;
  readonly dtype?: DType;
  readonly dynamic?: boolean;
}

const variants: readonly Variant[] = [
  { opset: 20 },
  { opset: 20, dynamic: true },
  { opset: 13 },
  { opset: 17, dynamic: true },
  { opset: 18 },
  { opset: 23 },
  { opset: 17, dtype: "float16" },
  { opset: 20, dtype: "float16", dynamic: true },
];

describe.each(Object.entries(operators))("%s", (golden, [name, args]) => {
  test.each(variants)("$opset $dtype $dynamic", async ({ opset, dtype, dynamic }) => {
    for (const [size, heads] of [
      ["a", 4],
      ["b", 3],
    ] as const) {
      const { tensors, metadata } = readGolden(`op_${golden}_${size}`);
      const x = tensors.get("x")!;
      const free: Dim[] = ["batch", tied.has(golden) ? x.shape[1]! : "tokens", x.shape[2]!];
      const shape = dynamic ? free : x.shape;
      const grown = await grow(name, { shape, opset, heads, args, ...(dtype && { dtype }) });
      load(grown, tensors);
      // Half precision keeps 11 bits: 2^-11 of each operand, some of them in a row.
      const tolerance = dtype === "float16" ? 4e-3 : Number(metadata.tolerance);
      for (const level of ["disabled", "all"] as const) {
        const y = await evaluate(grown.model, x, level);
        expect(distance(y, tensors.get("y")!)).toBeLessThanOrEqual(tolerance);
      }
    }
  });
});
