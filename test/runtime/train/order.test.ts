import { describe, expect, test } from "vitest";
import { orderOf, subsetOf } from "../../../runtime/train/order.ts";

const all = (count: number) => Uint32Array.from({ length: count }, (_, i) => i);

describe("the order of samples", () => {
  test("each epoch sees each sample once, though batches straddle them", () => {
    const order = orderOf(3, all(10), 4);
    const seen = Array.from({ length: 5 }, (_, step) => order.samplesOf(step)).flat();
    const [first, second] = [seen.slice(0, 10), seen.slice(10)];
    expect(first.toSorted((a, b) => a - b)).toEqual([...all(10)]);
    expect(second.toSorted((a, b) => a - b)).toEqual([...all(10)]);
    expect(second).not.toEqual(first);
  });

  test("a step sees the same whatever came before", () => {
    const straight = orderOf(3, all(1000), 48);
    const steps = Array.from({ length: 100 }, (_, step) => straight.samplesOf(step));
    for (const step of [99, 20, 41, 0]) {
      expect(orderOf(3, all(1000), 48).samplesOf(step)).toEqual(steps[step]);
      expect(straight.samplesOf(step)).toEqual(steps[step]);
    }
    expect(orderOf(4, all(1000), 48).samplesOf(0)).not.toEqual(steps[0]);
  });

  test("every permutation is as probable as the others", () => {
    const counts = new Map<string, number>();
    const order = orderOf(0, all(4), 4);
    for (let epoch = 0; epoch < 12_000; epoch++) {
      const key = order.samplesOf(epoch).join();
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    expect(counts.size).toBe(24);
    const chiSquare = [...counts.values()].reduce((sum, n) => sum + (n - 500) ** 2 / 500, 0);
    expect(chiSquare).toBeLessThan(49.7); // 99.9% of chi-square with 23 degrees
  });
});

test("a subset is fixed by the seed, and its samples are those of the data", () => {
  const subset = subsetOf(5, 6000, 600);
  expect(subset).toEqual(subsetOf(5, 6000, 600));
  expect(subset).not.toEqual(subsetOf(6, 6000, 600));
  expect(new Set(subset).size).toBe(600);
  expect(subset).toEqual(subset.toSorted());
  expect(subset.at(-1)).toBeLessThan(6000);
  const order = orderOf(5, subset, 600);
  expect(order.samplesOf(0).toSorted((a, b) => a - b)).toEqual([...subset]);
});
