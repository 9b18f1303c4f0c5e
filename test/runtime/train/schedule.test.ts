import { expect, test } from "vitest";
import { averageDecay, learningRate, type RatePlan } from "../../../runtime/train/schedule.ts";

function rates(plan: RatePlan): number[] {
  return Array.from({ length: plan.steps }, (_, step) => learningRate(plan, step));
}

function expectClose(actual: readonly number[], expected: readonly number[]): void {
  expect(actual.length).toBe(expected.length);
  actual.forEach((rate, i) => {
    expect(Math.abs(rate / expected[i]! - 1)).toBeLessThan(1e-12);
  });
}

const base = { lr: 1e-3, warmup: 0, steps: 12 };

test("cosine is PyTorch's CosineAnnealingLR", () => {
  expectClose(
    rates({ ...base, schedule: { kind: "cosine", to: 0.1 } }),
    [
      0.001, 0.0009846666218300806, 0.0009397114317029974, 0.0008681980515339463, 0.000775,
      0.0006664685702961343, 0.00055, 0.00043353142970386566, 0.000325, 0.00023180194846605365,
      0.00016028856829700258, 0.0001153333781699193,
    ],
  );
});

test("step is PyTorch's StepLR", () => {
  expectClose(
    rates({ ...base, schedule: { kind: "step", every: 5, by: 0.5 } }),
    [5, 5, 2].flatMap((count, i) => new Array<number>(count).fill(1e-3 / 2 ** i)),
  );
});

test("warm-up multiplies whatever the schedule says", () => {
  const warm = rates({ lr: 1e-2, warmup: 5, steps: 20, schedule: { kind: "constant" } });
  expectClose(warm, [2e-3, 4e-3, 6e-3, 8e-3, ...new Array<number>(16).fill(1e-2)]);
  const schedule = { kind: "cosine", to: 0 } as const;
  const cold = rates({ ...base, schedule });
  const warmed = rates({ ...base, warmup: 4, schedule });
  expectClose(
    warmed,
    cold.map((rate, s) => rate * Math.min(1, (s + 1) / 4)),
  );
});

test("an average with warm-up keeps (1 + s) / (10 + s) until that is its decay", () => {
  expect([0, 8, 890, 891, 5000].map((step) => averageDecay(0.99, true, step))).toEqual([
    0.1,
    0.5,
    891 / 900,
    0.99,
    0.99,
  ]);
  expect([0, 5000].map((step) => averageDecay(0.99, false, step))).toEqual([0.99, 0.99]);
});
