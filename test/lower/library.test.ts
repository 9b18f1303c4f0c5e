import { expect, test } from "vitest";
import { evaluate, grow } from "./workbench.ts";

const x = Float32Array.from({ length: 10 }, (_, i) => i / 4 - 1);
const shape = [1, 5, 2];

/** y of an operator whose tokens are known only when the model runs. */
async function result(expression: string): Promise<number[]> {
  const text = `operator op() for attn {\n  return ${expression}\n}`;
  const { model } = await grow(text, { shape: [1, "N", 2] });
  return Array.from((await evaluate(model, { shape, data: x })).data);
}

// PyTorch's, of x = arange(10).reshape(1, 5, 2) / 4 - 1
test.each<[string, number[]]>([
  ["roll(x, 1, axis: 1)", [1, 1.25, -1, -0.75, -0.5, -0.25, 0, 0.25, 0.5, 0.75]],
  ["roll(x, -7, axis: 1)", [0, 0.25, 0.5, 0.75, 1, 1.25, -1, -0.75, -0.5, -0.25]],
  [
    "repeat_interleave(x, 2, axis: 1)[:, 1:N + 1]",
    [-1, -0.75, -0.5, -0.25, -0.5, -0.25, 0, 0.25, 0, 0.25],
  ],
  [
    'einsum("bnd,de->bne", x, tensor([[0, 2], [1, 0]]))',
    [-0.75, -2, -0.25, -1, 0.25, 0, 0.75, 1, 1.25, 2],
  ],
  ['einsum("b\tn d -> bnd", x)', [-1, -0.75, -0.5, -0.25, 0, 0.25, 0.5, 0.75, 1, 1.25]],
  ["x * 0 + tensor([1, 0.5]) * linspace(-1, 3, 2) + pi", [Math.PI - 1, Math.PI + 1.5]],
  ["logsigmoid(x)", [-1.3132617, -1.136871, -0.974077, -0.8259394, -Math.LN2, -0.5759394]],
  ["hardswish(x)", [-0.3333333, -0.28125, -0.2083333, -0.1145833, 0, 0.1354167]],
  ["mish(x)", [-0.3034014, -0.2764947, -0.2207438, -0.129927, 0, 0.1695724]],
])("%s", async (expression, wanted) => {
  const got = await result(expression);
  for (const [i, number] of wanted.entries()) expect(got[i]).toBeCloseTo(number, 5);
});

// What NumPy makes of them where N is 5.
test.each([
  ["N / 2", 2.5],
  ["(N / 2) * 2", 5],
  ["N / 2 + 1", 3.5],
  ["N / 2 / 2", 1.25],
  ["N / (N / 2)", 2],
  ["max(N / 2, 2)", 2.5],
  ["min(N / 2, N / 3)", 5 / 3],
  ["floor(N / 2)", 2],
  ["ceil(N / 2)", 3],
  ["round(N / 2)", 3],
  ["round(N / 3)", 2],
  ["floor(N / 2 + N / 3)", 4],
  ["ceil(N / 2 + 1)", 4],
  ["floor(3 * (N / 3))", 5],
  ["floor(-N / 2)", -3],
  ["ceil(-N / 2)", -2],
  ["round(-N / 2)", -3],
  ["round((2 - N) / 2)", -2],
  ["floor((2 - N) / 2)", -2],
  ["mod(N / 2, 2)", 0.5],
])("a size that is not whole is a real number: %s", async (expression, wanted) => {
  for (const got of await result(`x * 0 + ${expression}`)) expect(got).toBeCloseTo(wanted, 5);
});

test.each([
  ["range(0, N, 2)", [0, 2, 4]],
  ["range(N, 0, -2)", [5, 3, 1]],
  ["range(N - 1, -1, -1)", [4, 3, 2, 1, 0]],
  ["range(1, N / 5 + N, 3)", [1, 4]],
  ["range(N, 2 * N)", [5, 6, 7, 8, 9]],
])("%s of a symbolic N", async (call, wanted) => {
  const powers = `sum(2 ** float(${call}), axis: 0)`;
  const sum = wanted.reduce((total, exponent) => total + 2 ** exponent, 0);
  expect(await result(`x * 0 + ${powers}`)).toEqual(Array(10).fill(sum));
});

test("rows up to a rounded share of the tokens", async () => {
  const kept = await result("pad(x[:, :floor(N / 2)], 0, N - floor(N / 2), axis: 1)");
  expect(kept).toEqual([...x.slice(0, 4), 0, 0, 0, 0, 0, 0]);
});

test("an operator that calls itself is unrolled", async () => {
  const text = `
    operator doubled(times: natural) {
      if times == 0 {
        return x
      }
      return doubled(2 * x, times - 1)
    }
    operator op() for attn {
      return doubled(x, 5)
    }`;
  const { model } = await grow(text, { shape });
  const { data } = await evaluate(model, { shape, data: x });
  expect(Array.from(data)).toEqual(Array.from(x, (element) => 32 * element));
});

test.each([
  ["arange", 0, 1],
  ["arange(2)", 0, 1],
  ["arange(3, 5)", 3, 4],
  ["arange(1, 5, 2)", 1, 3],
  ["-arange(3, 5)", -3, -4],
])("a weight of %s is torch.arange's", async (start, ...row) => {
  const text = `operator op() for attn {\n  weight w: [5, 2] = ${start}\n  return x * 0 + w\n}`;
  const { model } = await grow(text, { shape });
  const { data } = await evaluate(model, { shape, data: x });
  expect(Array.from(data)).toEqual(Array(5).fill(row).flat());
});
