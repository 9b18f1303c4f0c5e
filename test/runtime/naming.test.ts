import { expect, test } from "vitest";
import { explain } from "../../runtime/infer/naming.ts";
import type { Sizes } from "../../runtime/infer/symbols.ts";

const trials: readonly Sizes[] = [
  new Map([
    ["batch", 29],
    ["seq", 31],
    ["height", 128],
    ["width", 448],
  ]),
  new Map([
    ["batch", 101],
    ["seq", 103],
    ["height", 192],
    ["width", 256],
  ]),
  new Map([
    ["batch", 211],
    ["seq", 223],
    ["height", 320],
    ["width", 576],
  ]),
];

/** The values of a formula under the trials, explained. */
function explained(formula: (s: Record<string, number>) => number) {
  return explain(
    trials.map((sizes) => formula(Object.fromEntries(sizes))),
    trials,
  );
}

test("what does not change is a number", () => {
  expect(explained(() => 64)).toBe(64);
  expect(explained(() => 29)).toBe(29);
});

test("names, multiples and products", () => {
  expect(explained((s) => s.batch!)).toBe("batch");
  expect(explained((s) => 2 * s.batch!)).toBe("2*batch");
  expect(explained((s) => s.batch! * s.seq! * 16)).toBe("16*batch*seq");
});

test("patches of an image", () => {
  expect(explained((s) => s.height! / 2)).toBe("(height/2)");
  expect(explained((s) => (s.height! * s.width!) / 256)).toBe("(height/16)*(width/16)");
  expect(explained((s) => (s.batch! * s.height! * s.width!) / 4)).toBe(
    "(height/2)*(width/2)*batch",
  );
});

test("a constant more, and sums of two", () => {
  expect(explained((s) => s.seq! + 1)).toBe("seq + 1");
  expect(explained((s) => 2 * s.seq! - 1)).toBe("2*seq - 1");
  expect(explained((s) => (s.height! * s.width!) / 4 + 1)).toBe("(height/2)*(width/2) + 1");
  expect(explained((s) => s.seq! + s.batch! + 7)).toBe("batch + seq + 7");
});

test("what is none of these has no name", () => {
  expect(explained((s) => Math.floor(s.seq! / 4))).toBeNull();
  expect(explained((s) => Math.floor(Math.sqrt(s.seq!)))).toBeNull();
});

test("with two trials nothing is taken for a sum, which always fits two points", () => {
  const two = trials.slice(0, 2);
  expect(explain([32, 104], two)).toBeNull();
  expect(explain([58, 202], two)).toBe("2*batch");
});
