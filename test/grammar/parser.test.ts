import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parse } from "../../grammar/index.ts";
import { GraftParser } from "../../grammar/parser.ts";
import { expressionOf, sourceOf, statementsOf } from "./trees.ts";

test("the grammar has no ambiguities that Chevrotain knows of", () => {
  expect(new GraftParser({ skipValidations: false })).toBeInstanceOf(GraftParser);
});

const same: [string, string][] = [
  ["a - b - c", "(a - b) - c"],
  ["a / b / c", "(a / b) / c"],
  ["a @ b @ c", "(a @ b) @ c"],
  ["a - b * c", "a - (b * c)"],
  ["-a ** b", "-(a ** b)"],
  ["a ** -b ** c", "a ** (-(b ** c))"],
  ["a ** b ** c", "a ** (b ** c)"],
  ["-a * b", "(-a) * b"],
  ["- -a", "-(-a)"],
  ["a + b < c * d", "(a + b) < (c * d)"],
  ["not a < b", "not (a < b)"],
  ["not not a", "not (not a)"],
  ["not a and not b or c", "((not a) and (not b)) or c"],
  ["a or b and c", "a or (b and c)"],
  ["a and b and c", "(a and b) and c"],
  ["-f(x)[0].y ** 2", "-((((f)(x))[0]).y ** 2)"],
  ["a\n- b", "a - b"],
];
test.each(same)("%s is %s", (text, meaning) => {
  expect(expressionOf(text)).toEqual(expressionOf(meaning));
});

test.each([
  ["4", 4, true],
  ["9007199254740991", 9007199254740991, true],
  ["1e-4", 1e-4, false],
  ["640M", 640e6, false],
  ["1.1k", 1100, false],
  ["2e3k", 2e6, false],
  ["4.35k", 4350, false],
  ["5G", 5e9, false],
])("%s is a number", (text, value, integer) => {
  expect(expressionOf(text)).toEqual({ kind: "number", value, integer });
});

test.each([
  ["50%", 0.5],
  ["33.3%", 0.333],
  ["2k%", 20],
])("%s is a share", (text, value) => {
  expect(expressionOf(text)).toEqual({ kind: "percent", value });
});

const name = (text: string, domain = "") => ({ kind: "name", domain, name: text });
const number = (value: number) => ({ kind: "number", value, integer: Number.isInteger(value) });

test("calls, members, slices and domains", () => {
  expect(expressionOf("com.microsoft::FastGelu(host.from, to: 1)[.., :-1, 0:, :, none]")).toEqual({
    kind: "subscript",
    object: {
      kind: "call",
      callee: name("FastGelu", "com.microsoft"),
      args: [
        { name: null, value: { kind: "member", object: name("host"), name: { name: "from" } } },
        { name: { name: "to" }, value: number(1) },
      ],
    },
    items: [
      { kind: "ellipsis" },
      { kind: "slice", from: null, to: { kind: "unary", op: "-", operand: number(1) } },
      { kind: "slice", from: number(0), to: null },
      { kind: "slice", from: null, to: null },
      { kind: "index", value: name("none") },
    ],
  });
});

const item = (from: number, to: number | null = null, by: number | null = null) => ({
  from: number(from),
  to: to === null ? null : number(to),
  by: by === null ? null : number(by),
});

test.each([
  ["[3]", { kind: "items", items: [item(3)] }],
  ["[0, 3, 5..9]", { kind: "items", items: [item(0), item(3), item(5, 9)] }],
  ["[1..27 by 2]", { kind: "items", items: [item(1, 27, 2)] }],
  ["[odd]", { kind: "odd" }],
  ["[even]", { kind: "even" }],
  ["[all]", { kind: "all", except: [] }],
  ["[all except 0, 1]", { kind: "all", except: [item(0), item(1)] }],
  ["[first 7]", { kind: "first", share: number(7) }],
  ["[last 50%]", { kind: "last", share: { kind: "percent", value: 0.5 } }],
  ["[bottom n by variance]", { kind: "bottom", share: name("n"), measure: name("variance") }],
])("remove blocks%s.attn", (text, index) => {
  expect(statementsOf(`remove blocks${text}.attn`)).toEqual([
    {
      kind: "remove",
      target: { kind: "path", stack: [{ name: "blocks" }], index, part: [{ name: "attn" }] },
      tail: { optional: false, expect: null },
    },
  ]);
});

test("paths of modules have numbers and reserved words in them", () => {
  const [statement] = statementsOf("remove down.0.1.2.first.blocks[0]") as [
    { target: { stack: { name: string }[] } },
  ];
  const steps = statement.target.stack.map((step) => step.name);
  expect(steps).toEqual(["down", "0", "1", "2", "first", "blocks"]);
});

test("`expect 7` ends an edit, `expect {` begins a statement", () => {
  const kinds = (text: string) => statementsOf(text).map((s) => (s as { kind: string }).kind);
  expect(kinds("remove blocks[0] expect 7 expect { blocks: 7 }")).toEqual(["remove", "expect"]);
  expect(kinds("remove blocks[0] expect { blocks: 7 }")).toEqual(["remove", "expect"]);
  expect(kinds("remove blocks[0] optional remove blocks[1]")).toEqual(["remove", "remove"]);
});

test("a doc is the run of `///` lines right before an operator", () => {
  const docs = (text: string) =>
    statementsOf(text).flatMap((s) =>
      "doc" in (s as object) ? [(s as { doc: unknown }).doc] : [],
    );
  expect(docs("/// One.\n///  Two.\r\n///\noperator a {}")).toEqual(["One.\n Two.\n"]);
  expect(docs("/// Not this.\n// so\n/// This.\noperator a {}")).toEqual(["This."]);
  expect(docs("remove blocks[0] /// no\noperator a {}")).toEqual([null]);
  expect(docs("//// no\noperator a {}")).toEqual([null]);
  expect(docs("operator a {\n  /// no\n}\noperator b {}")).toEqual([null, null]);
});

test("names of Object's own are names", () => {
  expect(statementsOf("param constructor = { a: 1 }".replace("{ a: 1 }", "__proto__"))).toEqual([
    { kind: "param", name: { name: "constructor" }, value: name("__proto__") },
  ]);
  const { diagnostics } = parse(sourceOf("expect { toString: 1, toString: 2 }"));
  expect(diagnostics.map((d) => d.code)).toEqual(["given-twice"]);
});

const folder = "test/fixtures/graft";

test.each(readdirSync(folder))("%s parses, and its spans are true", (file) => {
  const source = { path: file, text: readFileSync(`${folder}/${file}`, "utf8") };
  const { file: tree, diagnostics } = parse(source);
  expect(diagnostics).toEqual([]);
  expect(tree.statements.length).toBeGreaterThan(0);
  let names = 0;
  const visit = (node: unknown, start: number, end: number): void => {
    if (Array.isArray(node)) for (const child of node) visit(child, start, end);
    if (node === null || typeof node !== "object" || Array.isArray(node)) return;
    const { span, ...rest } = node as { span?: { start: number; end: number }; name?: unknown };
    if (span === undefined) return;
    expect(span.start).toBeGreaterThanOrEqual(start);
    expect(span.end).toBeLessThanOrEqual(end);
    expect(source.text.slice(span.start, span.end).trim()).toHaveLength(span.end - span.start);
    if (typeof rest.name === "string" && !("kind" in rest)) {
      expect(source.text.slice(span.start, span.end)).toBe(rest.name);
      names += 1;
    }
    for (const child of Object.values(rest)) visit(child, span.start, span.end);
  };
  visit(tree.statements, 0, source.text.length);
  expect(names).toBeGreaterThan(0);
});
