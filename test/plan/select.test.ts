import { describe, expect, test } from "vitest";
import { renderDiagnostic } from "../../src/diag/render.ts";
import { Node } from "../../src/ir/graph.ts";
import { parseAnalysis } from "../../src/plan/index.ts";
import { anatomy, attention, mlp, norm, plan, said, sitesOf, stack, usual } from "./hand-made.ts";

const six = anatomy(stack("blocks", 6));

const forms: readonly (readonly [string, readonly number[]])[] = [
  ["3", [3]],
  ["5, 0, 2..3", [0, 2, 3, 5]],
  ["1..5 by 2", [1, 3, 5]],
  ["0..4 by 3", [0, 3]],
  ["odd", [1, 3, 5]],
  ["even", [0, 2, 4]],
  ["all", [0, 1, 2, 3, 4, 5]],
  ["-1", [5]],
  ["-3..-1", [3, 4, 5]],
  ["first 2", [0, 1]],
  ["last 2", [4, 5]],
  ["last 50%", [3, 4, 5]],
  ["first 40%", [0, 1]],
  ["first 0%", []],
  ["all except 0, 1", [2, 3, 4, 5]],
  ["all except 1..4", [0, 5]],
];

test.each(forms)("blocks[%s]", (form, indices) => {
  expect(sitesOf(`blocks[${form}].attn`, six)).toEqual(indices.map((i) => `blocks[${i}].attn`));
});

test("a share is rounded down", () => {
  const hundred = anatomy(stack("blocks", 100));
  expect(sitesOf("blocks[first 29%]", hundred)).toHaveLength(29);
  expect(sitesOf("blocks[first 57%]", hundred)).toHaveLength(57);
  expect(sitesOf("blocks[last 50%]", anatomy(stack("blocks", 7)))).toHaveLength(3);
});

test("indices may be params", () => {
  const text = "param start = 1\nparam n = 2\nremove blocks[start..start + 3 by n].mlp";
  expect(plan(text, six).plan!.edits[0]!.sites.map((s) => s.label)).toEqual([
    "blocks[1].mlp",
    "blocks[3].mlp",
  ]);
});

describe("measures", () => {
  const locality = [0.9, 0.2, 0.7, 0.7, 0.1, 0.5];
  const report = parseAnalysis(
    "report.json",
    JSON.stringify({
      blocks: Object.fromEntries(
        locality.map((value, i) => [
          `blocks[${i}]`,
          { attn: { locality: { "32": value }, variance: i }, mlp: { variance: 6 - i } },
        ]),
      ),
    }),
  );
  const options = { report };

  test.each([
    ["blocks[top 50% by locality(k: 32)].attn", [0, 2, 3]],
    ["blocks[top 2 by locality(k: 32)].attn", [0, 2]],
    ["blocks[bottom 2 by locality(32)].attn", [1, 4]],
    ["blocks[where locality(k: 32) > 0.5].attn", [0, 2, 3]],
    ["blocks[where locality(k: 32) > 0.5 and not variance == 0].attn", [2, 3]],
    ["blocks[top 1 by variance].attn", [5]],
    ["blocks[top 1 by variance].mlp", [0]],
    ["blocks[top 1 by mlp.variance - attn.variance]", [0]],
    ["blocks[top 1 by locality(k: 32)]", [0]],
  ])("%s", (selection, indices) => {
    const labels = sitesOf(selection, six, options).map((label) => Number(/\d+/.exec(label)![0]));
    expect(labels).toEqual(indices);
  });

  test.each([
    ["blocks[top 1 by localty(k: 32)].attn", "unknown-measure", "did you mean `locality`?"],
    ["blocks[top 1 by locality(k: 16)].attn", "unknown-measure", null],
    ["blocks[top 1 by variance]", "unknown-measure", "say whose: `attn.variance`"],
    ["blocks[where locality(k: 32)].attn", "wrong-value", null],
  ])("%s fails", (selection, code, hint) => {
    const { diagnostics } = plan(`remove ${selection}`, six, options);
    expect(diagnostics).toMatchObject([{ code, hint }]);
  });

  test("need a report", () => {
    const { diagnostics } = plan("remove blocks[top 1 by variance].attn", six);
    expect(diagnostics).toMatchObject([{ code: "no-report" }]);
  });

  test("a report of something else", () => {
    expect(() => parseAnalysis("r.json", "{")).toThrow(/not-a-report.*not JSON/);
    expect(() => parseAnalysis("r.json", "[]")).toThrow(/no `blocks`/);
    expect(() => parseAnalysis("r.json", '{"blocks": {"blocks[0]": 3}}')).toThrow(/no parts/);
  });

  test("explain why each was taken and what came nearest", () => {
    const { explanations } = plan("remove blocks[top 2 by locality(k: 32)].attn", six, options);
    expect(explanations[0]).toMatchObject({
      place: "slim.graft:1",
      selection: "blocks[top 2 by locality(k: 32)].attn",
      matched: [
        { label: "blocks[0].attn", why: "locality(k: 32) is 0.9, rank 1 of 6" },
        { label: "blocks[2].attn", why: "locality(k: 32) is 0.7, rank 2 of 6" },
      ],
      missed: [{ label: "blocks[3].attn", why: "locality(k: 32) is 0.7, rank 3 of 6" }, {}, {}],
    });
  });
});

test("what a recipe trains is explained like any selection", () => {
  const { explanations } = plan("finetune { train: new + blocks[1].mlp }", six);
  expect(explanations).toMatchObject([
    { selection: "blocks[1].mlp", matched: [{ label: "blocks[1].mlp" }] },
  ]);
});

test("a part that is not there reads as the manual shows it", () => {
  const text = "param kernel = 4\n\n\nreplace blocks[1..3].atn with hyena_x\n";
  const { diagnostics } = plan(text, six);
  expect(renderDiagnostic(diagnostics[0]!, { color: false })).toBe(
    [
      "error[no-such-part]: `blocks[1].atn` is not a part of a block",
      "  --> slim.graft:4:22",
      "4 | replace blocks[1..3].atn with hyena_x",
      "  |                      ^^^ did you mean `attn`?",
      "  = dit.onnx: blocks[1] has attn, mlp, norm1, norm2",
      "  = the same goes for blocks[2], blocks[3]",
    ].join("\n"),
  );
});

test("a block whose attention computes its MLP says so", () => {
  const both = (scope: string) => {
    const part = attention("attn", scope);
    return { ...part, host: { ...part.host, holdsMlp: true } as typeof part.host };
  };
  const fused = anatomy(stack("blocks", 2, () => [both]));
  const { diagnostics } = plan("resize blocks[all].mlp to ratio 3", fused);
  expect(said(diagnostics)).toEqual([
    "fused-part: `blocks[0].mlp` cannot be selected: the block computes attention and MLP in one fused projection",
  ]);
  expect(plan("replace blocks[0].attn with hyena_x", fused).diagnostics).toMatchObject([
    { code: "replace-takes-mlp" },
  ]);
});

test.each([
  ["blocks[6]", "index-out-of-range"],
  ["blocks[-7]", "index-out-of-range"],
  ["blocks[0..6]", "index-out-of-range"],
  ["blocks[first 7]", "share-too-large"],
  ["blocks[last 101%]", "share-too-large"],
  ["blocks[4..2]", "backward-range"],
  ["blocks[0..4 by 0]", "bad-stride"],
  ["blocks[1, 1]", "selected-twice"],
  ["blocks[0..3, 2]", "selected-twice"],
  ["blocks[1.5]", "wrong-value"],
  ["blocks[kernel]", "unknown-value"],
  ["blocks[7 / 2]", "inexact-division"],
  ["blocks[1 / 0]", "division-by-zero"],
  ["blocks[first 0]", "selects-nothing"],
  ["blocks[all except all_of_them]", "unknown-value"],
  ["blocks", "needs-index"],
  ["block[0]", "unknown-stack"],
  ["blocks[0].attn.qkv", "part-of-part"],
  ["blocks[0].cross_attn", "no-such-part"],
])("remove %s: %s", (selection, code) => {
  expect(plan(`remove ${selection}`, six).diagnostics).toMatchObject([{ code }]);
});

test("`optional` lets what does not exist select nothing, but no misspelling", () => {
  expect(sitesOf("blocks[9]", six)).toEqual([]);
  expect(sitesOf("blocks[4..9].attn", six)).toEqual(["blocks[4].attn", "blocks[5].attn"]);
  expect(sitesOf("blocks[all].cross_attn", six)).toEqual([]);
  const { diagnostics } = plan("remove blocks[all].atn optional", six);
  expect(diagnostics).toMatchObject([{ code: "no-such-part" }]);
});

test("`expect` counts the sites", () => {
  expect(plan("remove blocks[odd].mlp expect 3", six).diagnostics).toEqual([]);
  const { diagnostics } = plan("remove blocks[odd].mlp expect 4", six);
  expect(said(diagnostics)).toEqual(["wrong-count: The statement expects 4 and selects 3"]);
  expect(diagnostics[0]!.notes).toEqual(["selected: blocks[1].mlp, blocks[3].mlp, blocks[5].mlp"]);
});

describe("several stacks", () => {
  const two = anatomy(stack("encoder.blocks", 3), stack("decoder.blocks", 2));

  test("are told apart by name", () => {
    expect(sitesOf("decoder.blocks[-1].mlp", two)).toEqual(["decoder.blocks[1].mlp"]);
    expect(plan("remove blocks[0]", two).diagnostics).toMatchObject([
      {
        code: "several-stacks",
        notes: ["dit.onnx: it has encoder.blocks[...], decoder.blocks[...]"],
      },
    ]);
    expect(plan("remove encodr.blocks[0]", two).diagnostics).toMatchObject([
      { code: "unknown-stack", hint: "did you mean `encoder.blocks`?" },
    ]);
  });

  test("plain `blocks` means the one of that name", () => {
    const named = anatomy(stack("double.blocks", 3), stack("blocks", 2));
    expect(sitesOf("blocks[all]", named)).toEqual(["blocks[0]", "blocks[1]"]);
  });

  test("no stack at all", () => {
    expect(plan("remove blocks[0]", anatomy()).diagnostics).toMatchObject([{ code: "no-blocks" }]);
  });
});

describe("module scopes", () => {
  const bert = anatomy(
    stack(
      "blocks",
      3,
      () => usual,
      (i) => `encoder.layer.${i}`,
    ),
  );

  test.each([
    ["encoder.layer.*.attn", ["blocks[0].attn", "blocks[1].attn", "blocks[2].attn"]],
    ["encoder.layer.1.mlp", ["blocks[1].mlp"]],
    ["encoder.layer.2", ["blocks[2]"]],
    ["*.layer.0.norm1", ["blocks[0].norm1"]],
    ["encoder.*", []],
    ["encoder.layer.*.att", []],
  ])("%s", (pattern, labels) => {
    expect(sitesOf(`"${pattern}"`, bert)).toEqual(labels);
  });

  test("a module that is several parts of one kind is all of them", () => {
    const shared = anatomy(
      stack("blocks", 2, () => [
        (scope: string) => attention("attn", `${scope}.attn`),
        (scope: string) => norm("norm1", `${scope}.mlp.norm`),
        (scope: string) => mlp("mlp", `${scope}.mlp.shared`),
        (scope: string) => mlp("mlp2", `${scope}.mlp`),
      ]),
    );
    expect(sitesOf('"blocks.1.mlp"', shared)).toEqual(["blocks[1].mlp", "blocks[1].mlp2"]);
    expect(sitesOf('"blocks.1.mlp.*"', shared)).toEqual(["blocks[1].norm1", "blocks[1].mlp"]);
    expect(sitesOf('"blocks.1"', shared)).toEqual(["blocks[1]"]);
  });

  test("a part that is called as the module of another one is not that module", () => {
    const from = (scope: string) => {
      const metadata = new Map([["pkg.torch.onnx.name_scopes", `['', '${scope}', 'linear']`]]);
      return new Node({ name: "", opType: "MatMul", metadata });
    };
    const nodes = ["blocks.0.mlp2", "blocks.0.adapter", "blocks.0.mlp"].map(from);
    const [first, adapter, second] = nodes as [Node, Node, Node];
    const made = stack("blocks", 1, () => [
      (scope: string) => ({ ...mlp("mlp", `${scope}.mlp`), nodes: new Set([first, adapter]) }),
      (scope: string) => ({ ...mlp("mlp2", `${scope}.mlp2`), nodes: new Set([second]) }),
    ]);
    const blocks = made.blocks.map((block) => ({ ...block, nodes: new Set(nodes) }));
    const crossed = anatomy({ ...made, blocks });
    const { diagnostics } = plan('remove "blocks.0.mlp2"', crossed);
    expect(diagnostics).toMatchObject([{ code: "scope-inside-part" }]);
    expect(sitesOf('"blocks.0.mlp"', crossed)).toEqual(["blocks[0].mlp2"]);
  });

  test("nothing of that name, and the nearest", () => {
    const { diagnostics } = plan('remove "encoder.layer.0.atn"', bert);
    expect(diagnostics).toMatchObject([{ code: "selects-nothing" }]);
    expect(diagnostics[0]!.notes.join()).toMatch("encoder.layer.0.attn");
  });

  test("a model without scopes", () => {
    const part = () => [() => mlp("mlp", ""), () => norm("norm1", "")];
    const scrubbed = anatomy(stack("blocks", 2, part, () => ""));
    const { diagnostics } = plan('remove "encoder.layer.0"', scrubbed);
    expect(diagnostics).toMatchObject([{ code: "no-scopes" }]);
  });
});
