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

/** The tensors of a layer by their names, as a state_dict has them. */
async function started(layer: string, call: string): Promise<Record<string, number[]>> {
  const { model } = await edit(
    fixture("dit-tiny-dynamo20"),
    `operator started() for attn {
       layer l = ${layer}
       return x + ${call}
     }
     replace blocks[1].attn with started`,
  );
  const prefix = "blocks.1.attn.l.";
  const weights = [...model.graph.initializers].filter(({ name }) => name.startsWith(prefix));
  return Object.fromEntries(
    weights.map(({ name, initializer }) => {
      const bytes = materialize(initializer!.data).slice();
      return [name.slice(prefix.length), [...new Float32Array(bytes.buffer)]];
    }),
  );
}

const [ones, zeros] = [Array<number>(64).fill(1), Array<number>(64).fill(0)];

test("norms start as the norm alone", async () => {
  expect(await started("layer_norm(D)", "l(x)")).toEqual({ weight: ones, bias: zeros });
  expect(await started("layer_norm(D, bias: false)", "l(x)")).toEqual({ weight: ones });
  expect(await started("rms_norm(D)", "l(x)")).toEqual({ weight: ones });
});

test.each([
  ["linear(D, D)", "l(x)", 1 / 8],
  ["causal_conv1d(D, 4)", "l(x)", 1 / 2],
  ["conv1d(D, D, 1)", "transpose(l(transpose(x)))", 1 / 8],
])("%s starts within 1 / sqrt(fan_in), its bias too", async (layer, call, bound) => {
  const { weight, bias } = await started(layer, call);
  for (const values of [weight!, bias!]) {
    const deviation = Math.sqrt(mean(values.map((v) => v ** 2)));
    expect(Math.max(...values.map(Math.abs))).toBeLessThanOrEqual(bound);
    expect(Math.abs(deviation * Math.sqrt(3) - bound)).toBeLessThan(bound / 4);
  }
});

test("tables of embeddings start as normal numbers", async () => {
  const { weight } = await started("embedding(200, D)", "l(range(N))");
  expect(weight).toHaveLength(200 * 64);
  expect(Math.abs(mean(weight!))).toBeLessThan(0.05);
  expect(Math.abs(mean(weight!.map((v) => v ** 2)) - 1)).toBeLessThan(0.05);
});
