import { describe, expect, test } from "vitest";
import type { Dim, DType } from "../../src/ir/types.ts";
import { operators, tied } from "./golden-operators.ts";
import { distance, evaluate, grow, type HostShape, load, readGolden } from "./workbench.ts";

interface Variant {
  readonly opset: number;
  readonly dtype?: DType;
  readonly dynamic?: boolean;
  /** Behind convolutions sizes are quotients, which ONNX Runtime puts in parentheses. */
  readonly tokens?: string;
}

const variants: readonly Variant[] = [
  { opset: 20 },
  { opset: 20, dynamic: true },
  { opset: 13 },
  { opset: 17, dynamic: true, tokens: "(width/8)" },
  { opset: 18 },
  { opset: 23 },
  { opset: 17, dtype: "float16" },
  { opset: 20, dtype: "float16", dynamic: true },
];

/** Half precision keeps 11 bits: 2^-11 of each operand, some of them in a row. */
const ofHalf = 4e-3;

async function check(golden: string, name: string, host: HostShape): Promise<void> {
  const { tensors, metadata } = readGolden(`op_${golden}`);
  const x = tensors.get("x")!;
  const grown = await grow(name, host);
  load(grown, tensors);
  const tolerance = host.dtype === "float16" ? ofHalf : Number(metadata.tolerance);
  for (const level of ["disabled", "all"] as const) {
    const y = await evaluate(grown.model, x, level);
    expect(distance(y, tensors.get("y")!)).toBeLessThanOrEqual(tolerance);
  }
}

describe.each(Object.entries(operators))("%s", (golden, [name, args]) => {
  test.each(variants)(
    "$opset $dtype $dynamic",
    async ({ opset, dtype, dynamic, tokens = "tokens" }) => {
      for (const [size, heads] of [
        ["a", 4],
        ["b", 3],
      ] as const) {
        const { shape: full } = readGolden(`op_${golden}_${size}`).tensors.get("x")!;
        const free: Dim[] = ["batch", tied.has(golden) ? full[1]! : tokens, full[2]!];
        const shape = dynamic ? free : full;
        await check(`${golden}_${size}`, name, {
          shape,
          opset,
          heads,
          args,
          ...(dtype && { dtype }),
        });
      }
    },
  );
});

/** More tokens than a tile or a chunk has, and not a multiple of it. */
test.each<[string, string, Partial<HostShape>]>([
  ["mamba2_a", "mamba2", { shape: [2, 16, 32], args: { d_state: 8, headdim: 4, chunk: 5 } }],
  ["mamba2_a", "mamba2", { shape: ["b", "n", 32], args: { d_state: 8, headdim: 4, chunk: 5 } }],
  ["swa_long", "swa", { shape: [2, 101, 24] }],
  ["swa_long", "swa", { shape: [2, "n", 24] }],
  ["swa_long_3_1", "swa", { shape: [2, 101, 24], args: { window: 3, right: 1 } }],
  ["swa_long_3_1", "swa", { shape: ["b", "n", 24], args: { window: 3, right: 1 } }],
  ["swa_2d_small", "swa_2d", { shape: [2, 20, 24], grid: [4, 5], args: { window: 1 } }],
  ["swa_2d_large", "swa_2d", { shape: [1, 221, 24], grid: [13, 17] }],
])("%s, %s of %o", async (golden, name, host) => {
  const heads = golden === "mamba2_a" ? 4 : 3;
  await check(golden, name, { shape: [], heads, ...host });
  await check(golden, name, { shape: [], heads, opset: 13, dtype: "float16", ...host });
});
