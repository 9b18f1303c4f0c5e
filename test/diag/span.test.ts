import { expect, test } from "vitest";
import { lineAt, placeOf, positionOf } from "../../src/diag/span.ts";

const source = { path: "a.graft", text: "\uFEFFone\r\ntwo\rthree\n\nfive" };

test.each([
  [0, 1, 1],
  [1, 1, 1],
  [3, 1, 3],
  [4, 1, 4],
  [6, 2, 1],
  [10, 3, 1],
  [15, 3, 6],
  [16, 4, 1],
  [17, 5, 1],
  [21, 5, 5],
])("offset %i is at %i:%i", (offset, line, column) => {
  expect(positionOf(source, offset)).toEqual({ line, column });
});

test("lines have no line ends and no byte order mark", () => {
  const lines = [1, 2, 3, 4, 5].map((line) => lineAt(source, line).text);
  expect(lines).toEqual(["one", "two", "three", "", "five"]);
});

test("places name file and line", () => {
  expect(placeOf({ source, start: 12, end: 13 })).toBe("a.graft:3");
});

test("positions agree with counting", () => {
  const text = Array.from({ length: 3000 }, (_, i) => "x".repeat(i % 7)).join("\n");
  const counted = { path: "b", text };
  for (let offset = 0; offset <= text.length; offset += 13) {
    const before = text.slice(0, offset).split("\n");
    const expected = { line: before.length, column: before.at(-1)!.length + 1 };
    expect(positionOf(counted, offset)).toEqual(expected);
  }
});
