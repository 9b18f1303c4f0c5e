import { expect, test } from "vitest";
import { evaluateDim } from "../../src/measure/index.ts";

const sizes = new Map([
  ["batch", 3],
  ["seq", 10],
  ["?1", 5],
  ["odd name", 7],
]);
const value = (dim: number | string | null) => evaluateDim(dim, (name) => sizes.get(name));

test.each([
  [4, 4],
  ["batch", 3],
  ["2*batch", 6],
  ["batch*seq + 1", 31],
  ["seq - batch - 1", 6],
  ["(seq/3)*batch", 9],
  ["8*ceil(seq/8)", 16],
  ["seq//4", 2],
  ["-batch + seq", 7],
  ["-batch/2 + seq", 9],
  ["seq - batch/2", 9],
  ["2*?1 + 3", 13],
  ["odd name", 7],
])("%s is %d", (dim, expected) => {
  expect(value(dim)).toBe(expected);
});

test.each([[null], ["other"], ["2*other"], ["2*"], ["(seq"], ["seq)"], [""], ["seq/0"]])(
  "%s is not known",
  (dim) => {
    expect(value(dim)).toBeUndefined();
  },
);
