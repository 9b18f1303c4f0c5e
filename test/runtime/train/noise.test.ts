import { expect, test } from "vitest";
import { drawsOf } from "../../../runtime/train/noise.ts";

function normals(seed: number, purpose: string, step: number, index: number, count: number) {
  const out = new Float32Array(count);
  drawsOf(seed, purpose).normals(step, index, out);
  return [...out];
}

test("normal numbers are those of Philox and Box-Muller, computed in Python", () => {
  expect(normals(7, "noise of x", 2 ** 33 + 5, 3, 6)).toEqual([
    -1.252397894859314, -1.1666876077651978, 0.144920215010643, -0.8875460624694824,
    0.37025952339172363, 1.5502686500549316,
  ]);
});

test("numbers depend on seed, purpose, step and index, and on nothing else", () => {
  const numbers = normals(7, "noise of x", 4, 3, 9);
  expect(normals(7, "noise of x", 4, 3, 5)).toEqual(numbers.slice(0, 5));
  const others = [
    normals(8, "noise of x", 4, 3, 9),
    normals(7, "noise of y", 4, 3, 9),
    normals(7, "noise of x", 5, 3, 9),
    normals(7, "noise of x", 4, 4, 9),
    normals(7, "noise of x", 4 + 2 ** 32, 3, 9),
  ];
  const all = [numbers, ...others].flat();
  expect(new Set(all).size).toBe(all.length);
});

test("normal numbers are normal", () => {
  const n = 2 ** 18;
  const sorted = normals(0, "noise", 0, 0, n).sort((a, b) => a - b);
  const moment = (power: number) => sorted.reduce((sum, x) => sum + x ** power, 0) / n;
  // Five standard deviations of each estimate.
  expect(Math.abs(moment(1))).toBeLessThan(5 * Math.sqrt(1 / n));
  expect(Math.abs(moment(2) - 1)).toBeLessThan(5 * Math.sqrt(2 / n));
  expect(Math.abs(moment(3))).toBeLessThan(5 * Math.sqrt(15 / n));
  expect(Math.abs(moment(4) - 3)).toBeLessThan(5 * Math.sqrt(96 / n));
  // R's pnorm(-3), pnorm(-1), pnorm(0.5), pnorm(2)
  const known: [number, number][] = [
    [-3, 0.001349898031630095],
    [-1, 0.1586552539314571],
    [0.5, 0.6914624612740131],
    [2, 0.9772498680518208],
  ];
  for (const [z, p] of known) {
    const share = sorted.filter((x) => x < z).length / n;
    expect(Math.abs(share - p)).toBeLessThan(5 * Math.sqrt((p * (1 - p)) / n));
  }
});

test("whole numbers are fair where the limit is no divisor of 2^32", () => {
  const limit = 3 * 2 ** 30;
  const out = new Uint32Array(30_000);
  drawsOf(0, "timestep").integers(0, 0, limit, out);
  const thirds = [0, 0, 0];
  for (const value of out) thirds[Math.floor(value / 2 ** 30)]!++;
  const chiSquare = thirds.reduce((sum, count) => sum + (count - 10_000) ** 2 / 10_000, 0);
  expect(chiSquare).toBeLessThan(13.8); // 99.9% of chi-square with 2 degrees
});

test("uniform numbers and chances", () => {
  const out = new Float64Array(50_001);
  const draws = drawsOf(1, "drop y");
  draws.uniforms(2, 0, out);
  const bins = new Array<number>(20).fill(0);
  for (const x of out) bins[Math.floor(x * 20)]!++;
  const each = out.length / 20;
  const chiSquare = bins.reduce((sum, count) => sum + (count - each) ** 2 / each, 0);
  expect(chiSquare).toBeLessThan(43.8); // 99.9% of chi-square with 19 degrees
  const dropped = Array.from({ length: 20_000 }, (_, i) => draws.happens(i >> 6, i & 63, 0.1));
  expect(Math.abs(dropped.filter(Boolean).length / 20_000 - 0.1)).toBeLessThan(0.0064);
  expect([draws.happens(0, 0, 0), draws.happens(0, 0, 1)]).toEqual([false, true]);
});
