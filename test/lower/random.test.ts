import { expect, test } from "vitest";
import { normalQuantile, streamOf } from "../../src/lower/random.ts";

test("a stream is a function of seed, name and position", () => {
  const stream = streamOf(0, "blocks.1.attn.in_proj.weight", 0);
  const forward = Array.from({ length: 9 }, (_, i) => stream(i));
  const backward = Array.from({ length: 9 }, (_, i) => stream(8 - i)).reverse();
  expect(backward).toEqual(forward);
  expect(streamOf(0, "blocks.1.attn.in_proj.weight", 0)(5)).toBe(forward[5]);
  expect(streamOf(1, "blocks.1.attn.in_proj.weight", 0)(5)).not.toBe(forward[5]);
  expect(streamOf(0, "blocks.1.attn.in_proj.weight", 1)(5)).not.toBe(forward[5]);
  expect(streamOf(0, "blocks.3.attn.in_proj.weight", 0)(5)).not.toBe(forward[5]);
});

test("uniform numbers are uniform", () => {
  const stream = streamOf(3, "w", 0);
  const bins = new Array<number>(20).fill(0);
  const n = 40_000;
  let lag = 0;
  for (let i = 0; i < n; i++) {
    bins[Math.floor(stream(i) * 20)]!++;
    lag += (stream(i) - 0.5) * (stream(i + 1) - 0.5);
  }
  const chiSquare = bins.reduce((sum, count) => sum + (count - n / 20) ** 2 / (n / 20), 0);
  expect(chiSquare).toBeLessThan(43.8); // 99.9% of chi-square with 19 degrees
  expect(Math.abs(lag / n) * 12).toBeLessThan(3.3 / Math.sqrt(n));
});

test("quantiles of the normal distribution", () => {
  // R's qnorm
  const known: [number, number][] = [
    [0.5, 0],
    [0.975, 1.959963984540054],
    [0.025, -1.959963984540054],
    [0.9, 1.2815515655446004],
    [1e-5, -4.264890793922825],
    [1e-12, -7.034483825301132],
  ];
  for (const [p, z] of known) expect(Math.abs(normalQuantile(p) - z)).toBeLessThan(2e-14);
});
