import { expect, test } from "vitest";
import { usageMessages } from "../../src/diag/messages/cli.ts";
import { graftc, json } from "./graftc.ts";

/** Command lines that mean nothing, and the first lines of what graftc says. */
const samples: readonly (readonly [
  words: string,
  code: keyof typeof usageMessages,
  says: string,
])[] = [
  ["inspect", "wrong-usage", "Missing required argument `model`"],
  ["inspect a b", "wrong-usage", "Too many arguments"],
  ["--jsno inspect x", "wrong-usage", "did you mean `--json`?"],
  ["m.onnx e.graft --out x --verfy", "wrong-usage", "did you mean `--verify`?"],
  ["m.onnx -o", "wrong-usage", "Option `-o, --out <file>` argument missing"],
  ["m.onnx --seed 1.5 -o x", "wrong-usage", "whole number"],
  ["m.onnx --seed -1 -o x", "wrong-usage", "whole number"],
  ["m.onnx --seed 99999999999999999999 -o x", "wrong-usage", "whole number"],
  ["m.onnx --set kernel -o x", "wrong-usage", "name=value"],
  ["m.onnx --set =4 -o x", "wrong-usage", "name=value"],
  ["m.onnx --external inside -o x", "wrong-usage", "auto, inline, file, share"],
  ["m.onnx --device gpu -o x", "wrong-usage", "cuda:N"],
  ["inspect m.onnx --color sometimes", "wrong-usage", "auto, always, never"],
  ["fmt", "wrong-usage", "Missing required argument `edits`"],
  ["new dit-s/2 --depth 0 -o x", "wrong-usage", "1 or more"],
  ["help inspct", "wrong-usage", "did you mean `inspect`?"],
  ["m.onnx --set a=1 --set a=2 -o x", "set-twice", "`--set a` is given twice"],
  ["m.onnx e.graft", "out-missing", "`-o OUT`"],
  ["e.graft m.onnx -o x", "arguments-swapped", "`graftc m.onnx e.graft ...`"],
  ["e.graft f.graft -o x", "arguments-swapped", "`graftc MODEL.onnx e.graft f.graft ...`"],
  ["train e.graft m.onnx --data d -o x", "arguments-swapped", "`graftc train m.onnx e.graft ...`"],
  ["artifacts e.graft m.onnx -o x", "arguments-swapped", "`graftc artifacts m.onnx e.graft ...`"],
  ["new dit-s/2", "out-missing", "`-o OUT`"],
  ["inspct m.onnx", "unknown-command", "did you mean `graftc inspect`?"],
  ["train m.onnx e.graft -o x", "data-not-given", "`--data DATA`"],
  ["train m.onnx e.graft --data d", "out-missing", "`-o OUT`"],
  ["artifacts m.onnx e.graft", "out-missing", "`-o DIR`"],
  ["bench m.onnx", "command-not-here", "`bench`"],
  ["diff a.onnx b.onnx --html d.html", "flag-not-here", "`--html`"],
  ["new dit-m/2 -o x", "unknown-preset", "did you mean"],
  ["new dit-s/2 --heads 5 -o x", "preset-size", "width 384 is not a multiple of 5 heads"],
  ["new dit-s/2 --tokens 200 -o x", "preset-size", "square"],
  ["new dit-s/2 --width 390 --heads 6 -o x", "preset-size", "multiple of 4"],
];

test.each(samples)("graftc %s", (words, code, says) => {
  const run = graftc(words.split(" "));
  expect(run.stderr).toContain(`error[${code}]`);
  expect(run.stderr).toContain(says);
  expect(run.stderr).not.toMatch(/^\s+at /m);
  expect(run.stdout).toBe("");
  expect(run.code).toBe(2);
});

test("every message of wrong usage has a sample", () => {
  const sampled = new Set(samples.map(([, code]) => code));
  expect(Object.keys(usageMessages).filter((code) => !sampled.has(code as never))).toEqual([]);
});

test.each(samples.slice(0, 12))("graftc %s --json", (words, code) => {
  const run = graftc(["--json", ...words.split(" ")]);
  expect(json(run)).toMatchObject({ diagnostics: [{ code, severity: "error", file: null }] });
  expect(run.code).toBe(2);
});

test("without words, the help goes to stderr", () => {
  const run = graftc([]);
  expect(run).toMatchObject({ code: 2, stdout: "" });
  expect(run.stderr).toContain("graftc MODEL EDITS... -o OUT");
});

test("the help shows what is there, on stdout", () => {
  const run = graftc(["--help"]);
  expect(run).toMatchObject({ code: 0, stderr: "" });
  for (const command of [
    "compile",
    "inspect",
    "check",
    "fmt",
    "diff",
    "new",
    "train",
    "artifacts",
  ]) {
    expect(run.stdout).toMatch(new RegExp(`^  ${command} `, "m"));
  }
  expect(run.stdout).not.toMatch(/\bsample\b|\banalyze\b/);
  expect(graftc(["help", "compile"]).stdout).toContain("--weights-partial");
});

test("the version is the package's", () => {
  expect(graftc(["--version"])).toEqual({ code: 0, stdout: "0.1.0\n", stderr: "" });
});
