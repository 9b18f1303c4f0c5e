import { expect, test } from "vitest";
import { type Details, diagnostic } from "../../src/diag/diagnostic.ts";
import { toJson } from "../../src/diag/json.ts";
import { renderDiagnostic } from "../../src/diag/render.ts";
import type { SourceText, Span } from "../../src/diag/span.ts";

/** The span of `piece` in a text, from its first occurrence. */
function spanIn(source: SourceText, piece: string): Span {
  const start = source.text.indexOf(piece);
  expect(start).toBeGreaterThanOrEqual(0);
  return { source, start, end: start + piece.length };
}

function render(details: Details, color = false): string {
  return renderDiagnostic(diagnostic("no-such-part", { label: "blocks[1].atn" }, details), {
    color,
  });
}

const head = "error[no-such-part]: `blocks[1].atn` is not a part of a block";
const slim: SourceText = {
  path: "slim.graft",
  text: "\n\n\nreplace blocks[1..13].atn with hyena_x\n",
};

test("the form of cli.md", () => {
  const shown = render({
    at: spanIn(slim, "atn"),
    hint: "did you mean `attn`?",
    notes: ["dit.onnx: blocks[1] has attn, mlp, norm1, norm2"],
  });
  expect(shown).toBe(`${head}
  --> slim.graft:4:23
4 | replace blocks[1..13].atn with hyena_x
  |                       ^^^ did you mean \`attn\`?
  = dit.onnx: blocks[1] has attn, mlp, norm1, norm2`);
});

test("without a place the hint is a note", () => {
  expect(render({ hint: "say which", notes: ["one", "two\nlines"] })).toBe(`${head}
  = say which
  = one
  = two
    lines`);
});

test("the gutter is as wide as the longest line number, of related places too", () => {
  const lines = Array.from({ length: 120 }, (_, i) => `line ${i + 1}`);
  const source = { path: "a.graft", text: lines.join("\n") };
  const related = [{ at: spanIn(source, "line 101"), text: "here already" }];
  expect(render({ at: spanIn(source, "line 7\n"), related, notes: ["so"] })).toBe(`${head}
    --> a.graft:7:1
  7 | line 7
    | ^^^^^^
    --> a.graft:101:1
101 | line 101
    | -------- here already
    = so`);
});

test("spans of several lines", () => {
  const source = { path: "a.graft", text: "one (\n  two,\n\n  three\n) four\nfive\nsix )" };
  expect(render({ at: spanIn(source, "(\n  two,\n\n  three"), hint: "all" })).toBe(`${head}
  --> a.graft:1:5
1 | one (
  |     ^
2 |   two,
  |   ^^^^
...
4 |   three
  |   ^^^^^ all`);
  expect(render({ at: spanIn(source, source.text), hint: "all" })).toBe(`${head}
  --> a.graft:1:1
1 | one (
  | ^^^^^
...
7 | six )
  | ^^^^^ all`);
});

test("ends of lines and of the text", () => {
  const source = { path: "a.graft", text: "one\r\ntwo" };
  const at = (start: number) => render({ at: { source, start, end: start }, hint: "here" });
  expect(at(3)).toBe(`${head}\n  --> a.graft:1:4\n1 | one\n  |    ^ here`);
  expect(at(8)).toBe(`${head}\n  --> a.graft:2:4\n2 | two\n  |    ^ here`);
  const empty = { path: "e.graft", text: "" };
  const shown = render({ at: { source: empty, start: 0, end: 0 } });
  expect(shown).toBe(`${head}\n  --> e.graft:1:1\n1 |\n  | ^`);
});

test("tabs, wide letters, marks, and what a terminal would obey", () => {
  const source = { path: "a.graft", text: "\t漢e\u0301\u001B[31m x" };
  expect(render({ at: spanIn(source, "x") })).toBe(`${head}
  --> a.graft:1:11
1 |     漢e\u0301\uFFFD[31m x
  |              ^`);
  expect(render({ at: spanIn(source, "漢") })).toContain("\n  |     ^^");
});

test("a name of any length leaves a message that can be read", () => {
  const { message } = diagnostic("no-such-part", { label: `<${"a".repeat(1e6)}>` }, {});
  expect(message).toMatch(/^`<a+ … a+>` is not a part of a block$/);
  expect(message.length).toBeLessThan(700);
});

test("of long lines a part is shown", () => {
  const text = `${"a ".repeat(1e6)}here ${"b ".repeat(1e6)}`;
  const shown = render({ at: spanIn({ path: "a.graft", text }, "here"), hint: "this" });
  const [, place, line, carets] = shown.split("\n");
  expect(place).toBe("  --> a.graft:1:2000001");
  expect(line).toMatch(/^1 \| ….{120}…$/);
  expect(carets!.indexOf("^^^^ this")).toBe(line!.indexOf("here"));
});

test("colours are asked for", () => {
  const shown = render({ at: spanIn(slim, "atn"), hint: "hint" }, true);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are made of them
  expect(shown.replace(/\x1B\[\d+m/g, "")).toBe(render({ at: spanIn(slim, "atn"), hint: "hint" }));
  expect(shown).toContain("\u001B[31m^^^ hint\u001B[39m");
});

test("JSON has the place in lines and columns", () => {
  const d = diagnostic("no-such-part", { label: "x" }, { at: spanIn(slim, "atn"), hint: "h" });
  expect(toJson(d)).toEqual({
    ...{ code: "no-such-part", severity: "error", message: "`x` is not a part of a block" },
    ...{ file: "slim.graft", line: 4, column: 23, hint: "h", related: [], notes: [] },
  });
  expect(toJson(diagnostic("no-such-part", { label: "x" }))).toMatchObject({
    ...{ file: null, line: null, column: null },
  });
});
