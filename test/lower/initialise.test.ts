/** Initialisers under the names of their arguments in language.md, and what they fill. */
import { expect, test } from "vitest";
import { materialize } from "../../src/ir/bytes.ts";
import { edit, fixture } from "../passes/workbench.ts";

async function filled(initialiser: string): Promise<Float32Array> {
  const { model } = await edit(
    fixture("dit-tiny-dynamo20"),
    `operator mixed() for attn {
       weight w: [D, D] = ${initialiser}
       return x @ w
     }
     replace blocks[1].attn with mixed`,
  );
  const bytes = materialize(model.graph.values.get("blocks.1.attn.w")!.initializer!.data);
  return new Float32Array(bytes.slice().buffer);
}

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b) / values.length;

test.each([
  ["constant(c: 3)", 3, 0],
  ["uniform(lo: -1, hi: 3)", 1, 16 / 12],
  ["uniform(-1, 3)", 1, 16 / 12],
  ["normal(std: 0.5)", 0, 0.25],
  ["normal(0.5)", 0, 0.25],
])("%s", async (initialiser, centre, variance) => {
  const values = [...(await filled(initialiser))];
  expect(values).toHaveLength(64 * 64);
  expect(Math.abs(mean(values) - centre)).toBeLessThan(0.1);
  expect(Math.abs(mean(values.map((v) => (v - centre) ** 2)) - variance)).toBeLessThan(0.1);
  if (initialiser.startsWith("uniform")) {
    expect(Math.min(...values)).toBeGreaterThanOrEqual(-1);
    expect(Math.max(...values)).toBeLessThan(3);
  }
});
