import { expect, test } from "vitest";
import { createMeter, progressLine } from "../../../runtime/train/progress-line.ts";

test("lines of progress", () => {
  const lines = [
    { step: 1, steps: 600, loss: 1.23456, stepsPerSecond: null },
    { step: 120, steps: 600, loss: 0.0123456, stepsPerSecond: 3.4 },
    { step: 600, steps: 600, loss: 0.00001234, stepsPerSecond: 123.4 },
    { step: 0, steps: 50_000, loss: 12.3456, stepsPerSecond: 0.96 },
  ].map(progressLine);
  expect(lines).toEqual([
    "1 of 600 steps, loss 1.23",
    "120 of 600 steps, loss 0.0123, 3.4 steps/s, 2 min 22 s left",
    "600 of 600 steps, loss 1.23e-5, 123 steps/s, 0 s left",
    "0 of 50000 steps, loss 12.3, 1.04 s a step, 14 h 29 min left",
  ]);
});

test("the speed is that of late", () => {
  const meter = createMeter(100, 0);
  expect(meter.stepsPerSecond()).toBe(null);
  for (let i = 1; i <= 60; i++) meter.note(100 + i, i * 1000);
  expect(meter.stepsPerSecond()).toBeCloseTo(1, 10);
  for (let i = 1; i <= 80; i++) meter.note(160 + 2 * i, 60_000 + i * 1000);
  expect(meter.stepsPerSecond()).toBeCloseTo(2, 10);
});

test("steps that are longer than the window have a speed", () => {
  const meter = createMeter(0, 0);
  for (let i = 1; i <= 3; i++) meter.note(i, i * 100_000);
  expect(meter.stepsPerSecond()).toBeCloseTo(0.01, 10);
});
