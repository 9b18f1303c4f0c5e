import { describe, expect, test } from "vitest";
import type { Dim, DType } from "../../src/ir/types.ts";
import { distance, evaluate, grow, load, readGolden } from "./workbench.ts";

const operators: Readonly<
  Record<string, readonly [name: string, args: Record<string, number | string>]>
> = {
  hyena_se: ["hyena_se", {}],
  hyena_x: ["hyena_x", {}],
  hyena_y: ["hyena_y", {}],
  swa_w1: ["swa", { window: 1 }],
  swa_w3_1: ["swa", { window: 3, right: 1 }],
  swa_w4: ["swa", {}],
  swa_wide: ["swa", { window: 64 }],
  mamba2: ["mamba2", { d_state: 8, headdim: 4 }],
  mha: ["mha", {}],
  linear_attention: ["linear_attention", {}],
  mlp_r3: ["mlp", { ratio: 3 }],
  mlp_r4: ["mlp", {}],
  mlp_r6: ["mlp", { ratio: 6 }],
  swiglu: ["swiglu", {}],
  mlp_hyena_x_features: ["mlp_hyena_x", {}],
  mlp_hyena_x_tokens: ["mlp_hyena_x", { along: "tokens" }],
};

/** Operators whose weights are tied to N, which then cannot be symbolic. */
const tied = new Set(["mlp_hyena_x_features"]);

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
