import { describe, expect, test } from "vitest";
import { checkProgram } from "../../src/plan/index.ts";
import { anatomy, attention, load, mlp, norm, plan, said, stack, usual } from "./hand-made.ts";

const six = anatomy(stack("blocks", 6));

describe("replace", () => {
  test("binds what was given and leaves defaults to the lowering", () => {
    const text = "param k = 8\nreplace blocks[1].attn with hyena_x(k) init fresh";
    const [edit] = plan(text, six).plan!.edits;
    expect(edit).toMatchObject({ verb: "replace", place: "slim.graft:2", inherit: false });
    expect(edit?.verb === "replace" && [...edit.args]).toEqual([["kernel", 8]]);
    const [inherited] = plan("replace blocks[1].attn with hyena_x", six).plan!.edits;
    expect(inherited).toMatchObject({ inherit: true, args: new Map() });
  });

  test.each([
    ["attn with hyena", "unknown-operator", "did you mean `hyena_x`?"],
    ["attn with helper", "helper-in-replace", undefined],
    ["mlp with hyena_x", "wrong-place", undefined],
    ["attn with mlp", "wrong-place", undefined],
    ["norm1 with mlp", "wrong-place", undefined],
    ["attn with hyena_x(kernl: 3)", "unknown-argument", "did you mean `kernel`?"],
    ["attn with hyena_x(3, 4)", "too-many-arguments", undefined],
    ["attn with hyena_x(3, kernel: 4)", "argument-twice", undefined],
    ["attn with hyena_x(kernel: 2.5)", "wrong-value", undefined],
    ["attn with hyena_x(kernel: 7 / 2)", "inexact-division", undefined],
    ['attn with hyena_x(kernel: "4")', "wrong-value", undefined],
    ["attn with hyena_x(kernel: D)", "size-outside-operator", undefined],
    ["attn with two_streams", "missing-argument", undefined],
    ["attn with flags(on: 1)", "wrong-value", undefined],
    ["attn with flags(along: tokens)", "unknown-value", undefined],
    ["attn with flags(on: false, 3)", "positional-after-named", undefined],
    ["attn with hyena_x init frsh", "unknown-choice", "did you mean `fresh`?"],
  ])("blocks[0].%s: %s", (rest, code, hint) => {
    const { diagnostics } = plan(`replace blocks[0].${rest}`, six);
    expect(diagnostics.map((d) => d.code)).toEqual([code]);
    if (hint !== undefined) expect(diagnostics[0]!.hint).toBe(hint);
  });

  test("converts to the types of the operator", () => {
    const text = 'replace blocks[0].attn with flags(false, rate: 50%, along: "tokens")';
    const [edit] = plan(text, six).plan!.edits;
    expect(edit?.verb === "replace" && [...edit.args]).toEqual([
      ["on", false],
      ["rate", 0.5],
      ["along", "tokens"],
    ]);
  });

  test("a whole block has no operator", () => {
    const { diagnostics } = plan("replace blocks[2] with hyena_x", six);
    expect(diagnostics).toMatchObject([
      { code: "replace-whole-block", hint: "name a part: `.attn`" },
    ]);
  });

  test("cross-attention and joint attention need an operator that reads the other stream", () => {
    const joint = (scope: string) => {
      const part = attention("attn", scope);
      return { ...part, outputs: [...part.outputs, ...part.outputs] };
    };
    const body = anatomy(
      stack("blocks", 1, () => [joint, (scope: string) => attention("cross_attn", scope)]),
    );
    const codes = (text: string) => plan(text, body).diagnostics.map((d) => d.code);
    expect(codes("replace blocks[0].cross_attn with hyena_x")).toEqual(["wrong-place"]);
    expect(codes("replace blocks[0].attn with hyena_x")).toEqual(["joint-needs-context"]);
    expect(codes("replace blocks[0].attn with two_streams(2)")).toEqual([]);
    expect(codes("replace blocks[0].cross_attn with two_streams(2)")).toEqual([]);
  });

  test("an operator for no kind of part", () => {
    expect(plan("operator a for atn { return x }", six).diagnostics).toMatchObject([
      { code: "unknown-place", hint: "did you mean `attn`?" },
    ]);
  });

  test.each([
    ['if s == "p" { return x } return -x', []],
    ['if s == "p" { return x } else if s == "q" { return x } else { return -x }', []],
    ['if s == "p" { return x } else if s == "q" { return -x }', ["unknown-choice"]],
  ])("a string that no branch names: %s", (body, codes) => {
    const text = `operator a(s: string) for attn { ${body} }\nreplace blocks[0].attn with a("z")`;
    expect(plan(text, six).diagnostics.map((d) => d.code)).toEqual(codes);
  });
});

test.each([
  ["resize blocks[0].mlp to ratio 8 / 3", []],
  ["resize blocks[0].mlp to hidden 3072", []],
  ["resize blocks[0].attn to heads 4", []],
  ["resize blocks[0].mlp to ratio 0", ["wrong-value"]],
  ["resize blocks[0].mlp to ratio -1", ["wrong-value"]],
  ["resize blocks[0].mlp to hidden 0", ["wrong-value"]],
  ["resize blocks[0].mlp to hidden 1.5", ["wrong-value"]],
  ["resize blocks[0].mlp to size 4", ["unknown-choice"]],
  ["resize blocks[0].mlp to heads 4", ["resize-misfit"]],
  ["resize blocks[0].attn to ratio 4", ["resize-misfit"]],
  ["resize blocks[0] to ratio 4", ["resize-misfit"]],
  ["resize blocks[0].norm1 to ratio 4", ["resize-misfit"]],
  ["parallelize blocks[0..3] by 2 merge mean expect 4", []],
  ["parallelize blocks[0..2] by 2", ["odd-pairs"]],
  ["parallelize blocks[0, 2] by 2", ["pair-apart"]],
  ["parallelize blocks[0, 1, 3, 4] by 2", []],
  ["parallelize blocks[0..3] by 3", ["parallel-by"]],
  ["parallelize blocks[0..3] by 2 merge cat", ["unknown-choice"]],
  ["parallelize blocks[0..3].attn by 2", ["needs-whole-blocks"]],
  ["repeat blocks[0] times 3", []],
  ["repeat blocks[0] times 0", ["repeat-times"]],
  ["repeat blocks[0].attn times 2", ["needs-whole-blocks"]],
  ["remove blocks[0]", []],
])("%s: %j", (text, codes) => {
  expect(plan(text, six).diagnostics.map((d) => d.code)).toEqual(codes);
});

test("pairs are neighbours in the order of the stack", () => {
  const [edit] = plan("parallelize blocks[3, 0, 2, 1] by 2", six).plan!.edits;
  expect(edit?.verb === "parallelize" && edit.pairs.map((p) => p.map((s) => s.label))).toEqual([
    ["blocks[0]", "blocks[1]"],
    ["blocks[2]", "blocks[3]"],
  ]);
});

describe("what an earlier line edited", () => {
  const codes = (text: string) => said(plan(text, six).diagnostics);

  test("may be edited in other parts, and as a whole afterwards", () => {
    expect(codes("remove blocks[0].attn\nremove blocks[0].mlp\nrepeat blocks[0] times 2")).toEqual(
      [],
    );
  });

  test.each([
    [
      "remove blocks[1].attn",
      "replace blocks[all].attn with hyena_x",
      "`blocks[1].attn`",
      "removed",
    ],
    ["remove blocks[1]", "remove blocks[1].mlp", "`blocks[1].mlp`", "removed"],
    ["repeat blocks[1] times 2", "resize blocks[1].mlp to ratio 2", "`blocks[1].mlp`", "repeated"],
    [
      "parallelize blocks[0..3] by 2",
      "remove blocks[2, 3]",
      "`blocks[2]` and `blocks[3]`",
      "parallelized",
    ],
    [
      "resize blocks[1].mlp to ratio 2",
      "resize blocks[1].mlp to ratio 2",
      "`blocks[1].mlp`",
      "resized",
    ],
    [
      "replace blocks[1].attn with hyena_x",
      "remove blocks[1].attn",
      "`blocks[1].attn`",
      "replaced",
    ],
  ])("%s; %s", (first, second, labels, done) => {
    const { diagnostics } = plan(`${first}\n${second}`, six);
    expect(said(diagnostics)).toEqual([`edited-twice: An earlier line ${done} ${labels}`]);
    const [related] = diagnostics[0]!.related;
    expect(related!.at.start).toBeLessThan(first.length);
    expect(diagnostics[0]!.at!.start).toBeGreaterThan(first.length);
  });
});

test("several mistakes in one run", () => {
  const text = `
    expect { blocks: 7, widht: 8 }
    replace blocks[9].attn with hyena_x
    replace blocks[0].attn with hyena_y
    resize blocks[1].mlp to ratio 0
    parallelize blocks[2..4] by 2
    ensure { params: < 3 }
    distill { steps: 0 }
  `;
  expect(plan(text, six).diagnostics.map((d) => d.code)).toEqual([
    "expectation-failed",
    "unknown-key",
    "index-out-of-range",
    "unknown-operator",
    "wrong-value",
    "odd-pairs",
    "wrong-value",
    "unknown-key",
  ]);
});

describe("expect", () => {
  test.each([
    ["blocks: 6, width: 8, heads: 2, opset: 20", []],
    [`sha256: "${"0".repeat(64)}"`, []],
    ["blocks: 28", ["expectation-failed: dit.onnx: blocks is 6, not 28"]],
    ["blocks: 7, blocks: 6", ["given-twice: `blocks` is given twice"]],
    ['blocks: "six"', ['wrong-value: `blocks` takes a number, not "six"']],
    ["depth: 6", ["unknown-key: `expect` has no key `depth`"]],
  ])("{ %s }", (record, messages) => {
    expect(said(plan(`expect { ${record} }`, six).diagnostics)).toEqual(messages);
  });

  test.each([
    ["blocks: 5, width: 8, heads: 2", []],
    ["blocks: 3", ["expectation-failed: dit.onnx: blocks is 5, not 3"]],
  ])("of several stacks: { %s }", (record, messages) => {
    const two = anatomy(stack("encoder.blocks", 3), stack("decoder.blocks", 2));
    expect(said(plan(`expect { ${record} }`, two).diagnostics)).toEqual(messages);
  });

  test("of stacks that differ", () => {
    const wide = { ...stack("decoder.blocks", 2), width: 16 };
    const two = anatomy(stack("encoder.blocks", 3), wide);
    expect(said(plan("expect { width: 8 }", two).diagnostics)).toEqual([
      "expectation-failed: dit.onnx: width is 8 and 16, not 8",
    ]);
  });
});

test("a rewrite is refused and not skipped", () => {
  const text = "rewrite r in blocks[all] { match y = Relu(x) with y = Gelu(z) }";
  expect(said(plan(text, six).diagnostics)).toEqual([
    "unbound-name: No match binds `z`",
    "rewrite-unsupported: This version of graftc cannot apply rewrites: `r`",
  ]);
});

test("without a model, what needs none is checked", () => {
  const text = `
    replace blocks[99].attn with hyena
    replace blocks[98].attn with hyena_x(kernel: 0.5)
    parallelize blocks[97] by 3
    finetune { objective: difusion }
    finetune { steps: 8 }
    rewrite r { match y = Relu(x) with z = x }
  `;
  expect(checkProgram(load(text).program!).map((d) => d.code)).toEqual([
    "unknown-operator",
    "wrong-value",
    "parallel-by",
    "rewrite-leaves-output",
    "unknown-choice",
    "recipe-twice",
  ]);
});

test("an absolute path leaves the machine out of the provenance", () => {
  const parts = [() => mlp("mlp", "m"), () => norm("norm1", "n")];
  expect(
    plan("remove blocks[0]", anatomy(stack("blocks", 1, () => parts))).plan!.edits[0],
  ).toMatchObject({ place: "slim.graft:1" });
  expect(usual).toHaveLength(4);
});
