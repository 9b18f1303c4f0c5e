import { describe, expect, test } from "vitest";
import { loadProgram } from "../../src/plan/index.ts";
import { hostOf, load, said } from "./hand-made.ts";

const none = new Map<string, string>();

function loadFiles(files: Record<string, string>, ...roots: string[]) {
  return loadProgram(roots.length ? roots : ["main.graft"], none, hostOf(files));
}

describe("use", () => {
  test("brings operators and rewrites, relative to the file that uses", () => {
    const { program, diagnostics } = loadFiles(
      {
        "work/main.graft":
          'use "../lib/all.graft"\nreplace blocks[0].attn with thin\nrewrite later { match y = Relu(x) with y = x }',
        "lib/all.graft": 'use "./thin.graft"\nrewrite sooner { match y = Relu(x) with y = x }',
        "lib/thin.graft": "param n = 3\noperator thin for attn { return x }",
      },
      "work/main.graft",
    );
    expect(said(diagnostics)).toEqual([]);
    expect(program!.sources.map((source) => source.path)).toEqual([
      "work/main.graft",
      "lib/all.graft",
      "lib/thin.graft",
    ]);
    expect(program!.rewrites.map(({ statement }) => statement.name.name)).toEqual([
      "sooner",
      "later",
    ]);
    const { scope } = program!.edits[0]!;
    const thin = scope.operators.get("thin")!;
    expect(scope.params.has("n")).toBe(false);
    expect(scope.scopeOf(thin).params.get("n")).toBe(3);
  });

  test("of one file along two ways is one use", () => {
    const { program, diagnostics } = loadFiles({
      "main.graft": 'use "a.graft"\nuse "b.graft"',
      "a.graft": 'use "c.graft"',
      "b.graft": 'use "./c.graft"',
      "c.graft": "operator c for attn { return x }\nrewrite r { match y = Relu(x) with y = x }",
    });
    expect(said(diagnostics)).toEqual([]);
    expect(program!.rewrites).toHaveLength(1);
  });

  test.each<[string, Record<string, string>, string]>([
    [
      "a circle",
      { "main.graft": 'use "a.graft"', "a.graft": 'use "b.graft"', "b.graft": 'use "./a.graft"' },
      "use-cycle: Files use each other in a circle: a.graft uses b.graft uses a.graft",
    ],
    [
      "itself",
      { "main.graft": 'use "./main.graft"' },
      "use-cycle: Files use each other in a circle: main.graft uses main.graft",
    ],
    [
      "a file that is not there",
      { "main.graft": 'use "x/none.graft"' },
      "unreadable-edits: Cannot read x/none.graft: there is no such file",
    ],
    [
      "a file with edits",
      { "main.graft": 'use "a.graft"', "a.graft": "remove blocks[0]" },
      "edit-in-used-file: A used file holds operators, rewrites and params; `remove` in a.graft would have no effect",
    ],
    [
      "a name that is defined already",
      {
        "main.graft": 'use "a.graft"\noperator thin for attn { return x }',
        "a.graft": "operator thin for attn { return x }",
      },
      "defined-twice: `thin` is defined twice",
    ],
    [
      "two files with one name",
      {
        "main.graft": 'use "both.graft"',
        "both.graft": 'use "a.graft"\nuse "b.graft"',
        "a.graft": "operator thin for attn { return x }",
        "b.graft": "operator thin for attn { return x }",
      },
      "defined-twice: `thin` is defined twice",
    ],
  ])("%s", (_, files, message) => {
    const { program, diagnostics } = loadFiles(files);
    expect(program).toBeNull();
    expect(said(diagnostics)).toEqual([message]);
  });

  test("a syntax error in a used file stops the plan and points there", () => {
    const { program, diagnostics } = loadFiles({
      "main.graft": 'use "a.graft"\nremove blocks[0]',
      "a.graft": "operator for",
    });
    expect(program).toBeNull();
    expect(diagnostics[0]!.at!.source.path).toBe("a.graft");
  });
});

test("files apply in the order of the command line, each with its own params", () => {
  const { program, diagnostics } = loadFiles(
    { "a.graft": "param n = 1\nremove blocks[n]", "b.graft": "param n = 2\nremove blocks[n]" },
    "b.graft",
    "a.graft",
  );
  expect(said(diagnostics)).toEqual([]);
  expect(program!.edits.map(({ scope }) => scope.params.get("n"))).toEqual([2, 1]);
});

test("several unreadable files in one run", () => {
  const { diagnostics } = loadFiles({}, "a.graft", "b.graft");
  expect(diagnostics.map((d) => d.code)).toEqual(["unreadable-edits", "unreadable-edits"]);
});

describe("names", () => {
  test.each([
    ["operator hyena_x for attn { return x }", "defined-twice"],
    ["operator thin for attn { return x }\noperator thin for mlp { return x }", "defined-twice"],
    ["param thin = 1\noperator thin for attn { return x }", "defined-twice"],
    ["param n = 1\nparam n = 2", "defined-twice"],
    ["param D = 1", "reserved-name"],
    ["operator host for attn { return x }", "reserved-name"],
  ])("%s: %s", (text, code) => {
    expect(load(text).diagnostics).toMatchObject([{ code }]);
  });

  test("a helper may have the name of a built-in helper", () => {
    expect(load("operator helper(n: int) { return x }").diagnostics).toEqual([]);
  });
});

describe("params", () => {
  const value = (text: string, settings?: Record<string, string>) => {
    const { program, diagnostics } = load(`${text}\nremove blocks[0]`, settings);
    if (!program) return said(diagnostics)[0];
    return program.edits[0]!.scope.params.get("p");
  };

  test.each([
    ["param p = 4", 4],
    ["param p = 50%", 0.5],
    ["param p = 8 / 3", 8 / 3],
    ["param p = -2 ** 2", -4],
    ["param p = round(2.5) + round(-2.5) + mod(-1, 4)", 3],
    ["param p = max(1, 3, 2) - min(2, 1)", 2],
    ['param p = "tokens"', "tokens"],
    ["param p = 3 > 2 and not false", true],
    ["param q = 2\nparam p = q * q", 4],
    ["param p = q", "unknown-value: `q` has no value here"],
    ["param kernel = 2\nparam p = kernl", "unknown-value: `kernl` has no value here"],
    [
      "param p = D",
      "size-outside-operator: `D` is known only inside an operator, where it has a place",
    ],
    ["param p = [1, 2]", "no-value-here: There is no place for a list here"],
    ["param p = 1 / 0", "division-by-zero: This divides by zero"],
    ["param p = 10 ** 400", "not-finite: This is not a finite number"],
    ['param p = 1 + "a"', 'wrong-value: This takes a number, not "a"'],
    ["param p = sqrt(1, 2)", "wrong-arguments: `sqrt` takes 1 number"],
    ["param p = sqroot(1)", "unknown-value: `sqroot(...)` has no value here"],
  ])("%s", (text, expected) => {
    expect(value(text)).toEqual(expected);
  });

  test.each([
    ["param p = 4", "8", 8],
    ["param p = 4", "2.5", 2.5],
    ["param p = 4", "29%", 0.29],
    ["param p = 4", "64k", 64000],
    ["param p = 4", "-1e-3", -0.001],
    ["param p = true", "false", false],
    ['param p = "a"', "b c", "b c"],
    ['param p = "a"', '"b"', "b"],
    ["param p = 4", "many", "wrong-setting: `--set p=many`: the param takes a number"],
    ["param p = 4", "", "wrong-setting: `--set p=`: the param takes a number"],
    ["param p = true", "1", "wrong-setting: `--set p=1`: the param takes true or false"],
  ])("%s, --set p=%s", (text, set, expected) => {
    expect(value(text, { p: set })).toEqual(expected);
  });

  test("a setting reaches what is computed from it", () => {
    expect(value("param n = 2\nparam p = n * 3", { n: "5" })).toBe(15);
  });

  test("a setting that no file declares", () => {
    const { diagnostics } = load("param kernel = 4", { kernl: "8" });
    expect(diagnostics).toMatchObject([
      { code: "unknown-setting", notes: ["did you mean `kernel`?", "params are `kernel`"] },
    ]);
  });
});
