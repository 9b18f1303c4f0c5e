import { expect, test } from "vitest";
import { type Choice, cutTensor } from "../../passes/resize/cut.ts";
import { mostImportant } from "../../passes/resize/importance.ts";
import { inMemory, materialize } from "../../src/ir/bytes.ts";
import type { Initializer } from "../../src/ir/graph.ts";
import { decodeElements, encodeElements } from "../../src/onnx-ops/elements.ts";

function tensor(shape: number[], values: number[], dtype: "float32" | "float16" = "float32") {
  const data = inMemory(encodeElements(dtype, values));
  return { dtype, shape, data, origin: null, metadata: new Map() } satisfies Initializer;
}

const to = (before: number, after: number, kept: number[]): Choice => ({
  before,
  after,
  kept: () => kept,
});
const zero = { filler: "zero", seed: 0, name: "w", fanIn: 2 } as const;

function cut(
  t: Initializer,
  mark: Parameters<typeof cutTensor>[1],
  choice: Choice,
  fill = zero as never,
) {
  const { shape, data } = cutTensor(t, mark, choice, fill);
  return { shape, values: [...decodeElements(t.dtype, materialize(data))] };
}

test("units leave along either axis", () => {
  const rows = tensor([3, 2], [1, 2, 3, 4, 5, 6]);
  expect(cut(rows, { axis: 0, outer: 1, inner: 1 }, to(3, 2, [0, 2]))).toEqual({
    shape: [2, 2],
    values: [1, 2, 5, 6],
  });
  const columns = tensor([2, 3], [1, 2, 3, 4, 5, 6]);
  expect(cut(columns, { axis: 1, outer: 1, inner: 1 }, to(3, 2, [1, 2]))).toEqual({
    shape: [2, 2],
    values: [2, 3, 5, 6],
  });
});

test("gate and up rows move together, behind one another or in turns", () => {
  const fused = tensor([6], [10, 11, 12, 20, 21, 22]);
  expect(cut(fused, { axis: 0, outer: 2, inner: 1 }, to(3, 2, [0, 2])).values).toEqual([
    10, 12, 20, 22,
  ]);
  const turns = tensor([6], [10, 20, 11, 21, 12, 22]);
  expect(cut(turns, { axis: 0, outer: 1, inner: 2 }, to(3, 2, [0, 2])).values).toEqual([
    10, 20, 12, 22,
  ]);
});

test("new units stand behind the old ones in each run", () => {
  const fused = tensor([4], [10, 11, 20, 21]);
  expect(cut(fused, { axis: 0, outer: 2, inner: 1 }, to(2, 3, [0, 1])).values).toEqual([
    10, 11, 0, 20, 21, 0,
  ]);
});

test("new rows are those of a new linear, whichever way the weight lies", () => {
  const random = { filler: "random", seed: 3, name: "fc1.weight", fanIn: 4 } as never;
  const outIn = cut(
    tensor([1, 4], [9, 9, 9, 9]),
    { axis: 0, outer: 1, inner: 1 },
    to(1, 3, [0]),
    random,
  );
  const inOut = cut(
    tensor([4, 1], [9, 9, 9, 9]),
    { axis: 1, outer: 1, inner: 1 },
    to(1, 3, [0]),
    random,
  );
  const turned = [0, 1, 2].flatMap((row) => [0, 1, 2, 3].map((c) => inOut.values[c * 3 + row]!));
  expect(turned).toEqual(outIn.values);
  const fresh = outIn.values.slice(4);
  expect(new Set(fresh).size).toBe(8);
  expect(fresh.every((x) => Math.abs(x) < 0.5)).toBe(true);
  expect(Math.max(...fresh.map(Math.abs))).toBeGreaterThan(0.2);
});

test("importance is the norm of rows in all input projections times that of output columns", () => {
  const mark = { axis: 0, outer: 1, inner: 1 };
  const gate = { tensor: tensor([3, 1], [3, 1, 0]), mark };
  const up = { tensor: tensor([3, 1], [4, 1, 2]), mark };
  const down = { tensor: tensor([1, 3], [1, 10, 2]), mark: { axis: 1, outer: 1, inner: 1 } };
  // 5 * 1, sqrt(2) * 10, 2 * 2
  expect(mostImportant([gate, up], [down], 3, 1)).toEqual([1]);
  expect(mostImportant([gate, up], [down], 3, 2)).toEqual([0, 1]);
});

test("of equally important units the lower index stays", () => {
  const mark = { axis: 0, outer: 1, inner: 1 };
  const rows = { tensor: tensor([4, 1], [1, -1, 1, 2]), mark };
  const columns = { tensor: tensor([1, 4], [1, 1, -1, 1]), mark: { ...mark, axis: 1 } };
  expect(mostImportant([rows], [columns], 4, 2)).toEqual([0, 3]);
  expect(mostImportant([rows], [columns], 4, 3)).toEqual([0, 1, 3]);
});

test("norms of float16 weights are taken in float64", () => {
  const mark = { axis: 0, outer: 1, inner: 1 };
  // The squares would overflow float16.
  const rows = { tensor: tensor([2, 2], [300, 300, 300, 301], "float16"), mark };
  const columns = { tensor: tensor([1, 2], [1, 1], "float16"), mark: { ...mark, axis: 1 } };
  expect(mostImportant([rows], [columns], 2, 1)).toEqual([1]);
});

test("heads are runs of rows", () => {
  const mark = { axis: 0, outer: 3, inner: 2 };
  // q, k, v of two heads of two features each.
  const qkv = tensor([12], [1, 2, 3, 4, 11, 12, 13, 14, 21, 22, 23, 24]);
  expect(cut(qkv, mark, to(2, 1, [1])).values).toEqual([3, 4, 13, 14, 23, 24]);
  const weight = { tensor: { ...qkv, shape: [12, 1] }, mark };
  const out = { tensor: tensor([1, 4], [1, 1, 1, 1]), mark: { axis: 1, outer: 1, inner: 2 } };
  expect(mostImportant([weight], [out], 2, 1)).toEqual([1]);
});
