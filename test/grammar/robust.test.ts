import fc from "fast-check";
import { expect, test } from "vitest";
import { format, parse } from "../../grammar/index.ts";
import { renderDiagnostics } from "../../src/diag/render.ts";
import { randomFile } from "./random-file.ts";
import { sourceOf } from "./trees.ts";

/** Whatever the text: a tree or diagnostics that can be shown; what parses can be formatted. */
function survives(text: string): void {
  const { diagnostics } = parse(sourceOf(text));
  for (const { at } of diagnostics) {
    expect(at === null || (at.start >= 0 && at.start <= at.end && at.end <= text.length)).toBe(
      true,
    );
  }
  expect(diagnostics.length).toBeLessThanOrEqual(21);
  const shown = renderDiagnostics(diagnostics, { color: false });
  // biome-ignore lint/suspicious/noControlCharactersInRegex: terminals obey them
  expect(shown).not.toMatch(/[\x00-\x09\x0B-\x1F\x7F]|undefined|NaN|\[object/);
  if (diagnostics.length > 0) return;
  const formatted = format(sourceOf(text));
  expect(format(sourceOf(formatted))).toBe(formatted);
}

const change = fc.record({
  at: fc.nat(),
  length: fc.nat({ max: 12 }),
  text: fc.constantFrom(
    "",
    "",
    " ",
    "{",
    "}",
    "(",
    "]",
    '"',
    "/*",
    "//",
    ",",
    "..",
    "-",
    "\n",
    "£",
  ),
});

test("damaged files are refused in words", () => {
  fc.assert(
    fc.property(randomFile, fc.array(change, { minLength: 1, maxLength: 3 }), (file, changes) => {
      let { text } = file;
      for (const { at, length, text: piece } of changes) {
        const start = at % (text.length + 1);
        text = text.slice(0, start) + piece + text.slice(start + length);
      }
      survives(text);
    }),
    { numRuns: 400 },
  );
});

test("so is any text", () => {
  const words = ["replace", "blocks", "expect", "operator", "x", "1", "{", "}", "(", ")", "[", "]"];
  const soup = fc.array(fc.constantFrom(...words, "=", ":", ",", ".", "-", "not", "if", "\n", '"'));
  const joined = soup.map((parts) => parts.join(" "));
  fc.assert(fc.property(fc.oneof(joined, fc.string({ unit: "binary" })), survives), {
    numRuns: 600,
  });
});

/** Long enough that whatever takes the square of it does not end. */
const long = (piece: string) => piece.repeat(Math.ceil(4e5 / piece.length));

test.each<[string, string | undefined]>([
  [long("remove blocks[1..13 by 2].attn\n"), undefined],
  [`remove blocks[${long("0, ")}0]`, undefined],
  [`operator a {${long("  y = f(x) * 2\n")}}`, undefined],
  [`param a = ${long("x")}`, undefined],
  [`param a = "${long("\\n")}"`, undefined],
  [`/*${long("*")}/ remove blocks`, undefined],
  [long("\r\n"), undefined],
  [`param a = ${long("1")}`, "number-out-of-range"],
  [`param a = 0.${long("0")}1`, "number-out-of-range"],
  [`param a = 1e${long("1")}x`, "malformed-number"],
  [long('"'), "unknown-statement"],
  [`"${long("\\")}`, "unclosed-string"],
  [long("/* "), "unclosed-comment"],
  [long("£ "), "stray-text"],
  [long("remove [\n"), "unexpected-token"],
  [long("remove "), "unexpected-token"],
  [`expect { ${long("a: 1, ")}a: 1 }`, "given-twice"],
  [`param a = ${long("-")}1`, "too-deep"],
  [`param a = ${long("not ")}1`, "too-deep"],
  [`param a = ${long("2 ** ")}1`, "too-deep"],
  [long("("), "too-deep"],
  [`param a = ${long("f(x.\nuse")}`, "too-deep"],
  [`distill ${long("{ a: ")}`, "too-deep"],
  [`operator a { if x {}${long(" else if x {}")} }`, "too-deep"],
  [`param a = ${long("1 + ")}1`, "too-many-operators"],
  [`param a = ${long("to + ")}1`, "too-many-operators"],
  [`param a = x${long(".to")}`, "too-many-operators"],
  [`param a = x${long("()")}`, "too-many-operators"],
  [`param a = x${long("[0]")}`, "too-many-operators"],
  [`remove a${long(".0.1")}`, "too-many-operators"],
])("kilometre %# ends soon", { timeout: 20_000 }, (text, code) => {
  const { diagnostics } = parse(sourceOf(text));
  expect(diagnostics[0]?.code).toBe(code);
  const shown = renderDiagnostics(diagnostics, { color: false });
  expect(shown.length).toBeLessThan(20_000);
});

const nested: Record<string, (depth: number) => string> = {
  parentheses: (n) => `param a = ${"(".repeat(n)}1${")".repeat(n)}`,
  lists: (n) => `param a = ${"[".repeat(n)}${"]".repeat(n)}`,
  calls: (n) => `param a = ${"f(b: ".repeat(n)}1${")".repeat(n)}`,
  subscripts: (n) => `param a = ${"x[:, ".repeat(n)}1${"]".repeat(n)}`,
  minus: (n) => `param a = ${"- ".repeat(n)}1`,
  not: (n) => `param a = ${"not ".repeat(n)}b`,
  powers: (n) => `param a = ${"2 ** ".repeat(n)}1`,
  mixed: (n) => `param a = ${"(-".repeat(n / 2)}1${")".repeat(n / 2)}`,
  records: (n) => `distill ${"{ a: ".repeat(n)}1${"}".repeat(n)}`,
  blocks: (n) => `operator a {${"if x {".repeat(n - 1)}${"}".repeat(n)}`,
  branches: (n) => `operator a { if x {}${" else if x {}".repeat(n - 2)} }`,
  patterns: (n) => `rewrite r { match h = ${"(".repeat(n - 1)}x${")".repeat(n - 1)} with h = x }`,
};

test.each(Object.keys(nested))("%s nest 64 deep and no deeper", (kind) => {
  survives(nested[kind]!(64));
  expect(parse(sourceOf(nested[kind]!(64))).diagnostics).toEqual([]);
  expect(parse(sourceOf(nested[kind]!(66))).diagnostics.map((d) => d.code)).toEqual(["too-deep"]);
});

test("what is nested in one statement does not count in the next", () => {
  const text = Array(100).fill("remove blocks[\n").join("");
  expect(parse(sourceOf(text)).diagnostics.every((d) => d.code !== "too-deep")).toBe(true);
  const signs = Array(100).fill("  y = -x\n").join("");
  expect(parse(sourceOf(`operator a {\n${signs}}`)).diagnostics).toEqual([]);
});
