import fc from "fast-check";
import { expect, test } from "vitest";
import { format } from "../../grammar/index.ts";
import { tokenize } from "../../grammar/tokens.ts";
import { randomFile } from "./random-file.ts";
import { bare, sourceOf, statementsOf } from "./trees.ts";

/** Tokens and comments in their order; the white space inside of comments may change. */
function contents(text: string): string[] {
  const { tokens, comments } = tokenize(text);
  return [...tokens, ...comments]
    .sort((a, b) => a.startOffset - b.startOffset)
    .map(({ image }) => (image.startsWith("//") ? image.trimEnd() : image.replace(/\s+/g, " ")));
}

test("random files parse to the tree they were written from", () => {
  fc.assert(
    fc.property(randomFile, ({ text, tree }) => {
      expect(statementsOf(text)).toEqual(bare(tree));
    }),
    { numRuns: 500 },
  );
});

test("formatting keeps all tokens, comments and the tree, and is a fixed point", () => {
  fc.assert(
    fc.property(randomFile, ({ text, tree }) => {
      const formatted = format(sourceOf(text));
      expect(contents(formatted)).toEqual(contents(text));
      expect(statementsOf(formatted)).toEqual(bare(tree));
      expect(format(sourceOf(formatted))).toBe(formatted);
      expect(formatted).not.toMatch(/[ \t]\n|\n\n\n|\r|^\n/);
    }),
    { numRuns: 500 },
  );
});
