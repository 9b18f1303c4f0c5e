import { expect, test } from "vitest";
import { stretchOf } from "../../src/lower/initialise.ts";
import { normalQuantile, type Stream, streamOf } from "../../src/lower/random.ts";

test("a stream is a function of seed, name and position", () => {
  const name = "blocks.1.attn.in_proj.weight";
  const stream = streamOf(0, name, 0);
  const forward = stretchOf(stream, 0, 11);
  const backward = Array.from(forward, (_, i) => stretchOf(stream, 10 - i, 1)[0]).reverse();
  expect(backward).toEqual([...forward]);
  for (const start of [3, 4, 6])
    expect(stretchOf(stream, start, 5)).toEqual(forward.slice(start, start + 5));
  const fifth = (other: Stream) => stretchOf(other, 5, 1)[0];
  expect(fifth(streamOf(0, name, 0))).toBe(forward[5]);
  expect(fifth(streamOf(1, name, 0))).not.toBe(forward[5]);
  expect(fifth(streamOf(0, name, 1))).not.toBe(forward[5]);
  expect(fifth(streamOf(0, "blocks.3.attn.in_proj.weight", 0))).not.toBe(forward[5]);
});

test("uniform numbers are uniform", () => {
  const bins = new Array<number>(20).fill(0);
  const n = 40_000;
  const drawn = stretchOf(streamOf(3, "w", 0), 0, n + 1);
  let lag = 0;
  for (let i = 0; i < n; i++) {
    bins[Math.floor(drawn[i]! * 20)]!++;
    lag += (drawn[i]! - 0.5) * (drawn[i + 1]! - 0.5);
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
