import { expect, test } from "vitest";
import type { RecipeValue } from "../../src/plan/plan.ts";
import { anatomy, plan, said, stack } from "./hand-made.ts";

const six = anatomy(stack("blocks", 6));

test("the recipes of the manual", () => {
  const { plan: made, diagnostics } = plan(
    `distill  { attn: l1, mlp: l2, steps: 2000, batch: 64, lr: 1e-4, schedule: step(every: 500, by: 0.5), clip: 10 }
     finetune { objective: diffusion, train: all, steps: 50000, batch: 256, lr: 1e-4, warmup: 1000, ema: 0.9999 }`,
    six,
  );
  expect(said(diagnostics)).toEqual([]);
  const [distill, finetune] = made!.recipes;
  expect(distill!.settings.get("schedule")).toEqual({
    kind: "choice",
    name: "step",
    args: new Map([
      ["every", 500],
      ["by", 0.5],
    ]),
  });
  expect(finetune!.settings.get("train")).toEqual({
    kind: "train",
    base: "all",
    sites: [],
    names: [],
  });
  expect(finetune!.settings.get("ema")).toEqual({ kind: "number", value: 0.9999 });
});

test.each<[string, string, Partial<RecipeValue>]>([
  [
    "finetune",
    "objective: diffusion + 0.5 * output",
    {
      kind: "sum",
      terms: [
        { weight: 1, name: "diffusion" },
        { weight: 0.5, name: "output" },
      ],
    },
  ],
  [
    "distill",
    "attn: huber(0.5)",
    { kind: "choice", name: "huber", args: new Map([["delta", 0.5]]) },
  ],
  ["distill", "samples: 10%", { kind: "share", value: 0.1 }],
  ["distill", "samples: 8000", { kind: "number", value: 8000 }],
  [
    "distill",
    "optimizer: sgd(nesterov: true)",
    {
      name: "sgd",
      args: new Map<string, number | boolean>([
        ["nesterov", true],
        ["momentum", 0.9],
        ["weight_decay", 0],
      ]),
    } as Partial<RecipeValue>,
  ],
  [
    "distill",
    "noise: linear(to: 0.01)",
    {
      name: "linear",
      args: new Map([
        ["to", 0.01],
        ["from", 1e-4],
        ["steps", 1000],
      ]),
    } as Partial<RecipeValue>,
  ],
  ["distill", "train: new + blocks[1..2].attn", { kind: "train", base: "new" }],
  ["finetune", "epochs: 0.5", { kind: "number", value: 0.5 }],
  [
    "finetune",
    "ema: warmup(0.99)",
    { name: "warmup", args: new Map([["to", 0.99]]) } as Partial<RecipeValue>,
  ],
  ["finetune", "lora: 8", { kind: "number", value: 8 }],
  [
    "finetune",
    "schedule: cosine(to: 10%)",
    { name: "cosine", args: new Map([["to", 0.1]]) } as Partial<RecipeValue>,
  ],
])("%s { %s }", (stage, entry, value) => {
  const { plan: made, diagnostics } = plan(`${stage} { ${entry} }`, six);
  expect(said(diagnostics)).toEqual([]);
  const [setting] = made!.recipes[0]!.settings.values();
  expect(setting).toMatchObject(value);
});

test.each([
  ["distill", "steps: 0", "wrong-value: `steps` takes a whole number at least 1, not 0"],
  ["distill", "steps: 1.5", "wrong-value: `steps` takes a whole number at least 1, not 1.5"],
  ["distill", "lr: 0", "wrong-value: `lr` takes a number above 0, not 0"],
  ["distill", 'lr: "fast"', 'wrong-value: `lr` takes a number, not "fast"'],
  ["distill", "ema: 1", "wrong-value: `ema` takes a number at least 0 and below 1, not 1"],
  ["distill", "ema: warmup(1)", "wrong-value: `to` takes a number at least 0 and below 1, not 1"],
  ["distill", "samples: 0%", "wrong-value: `samples` takes a number above 0 and at most 1, not 0"],
  [
    "distill",
    "attn: l3",
    "unknown-choice: `attn` is one of `l1`, `l2`, `huber` and `cosine`, not `l3`",
  ],
  ["distill", "attn: huber", "missing-argument: `huber` needs its argument `delta`"],
  ["distill", "attn: l1(2)", "too-many-arguments: `l1` has no place for this argument"],
  ["distill", "attn: huber(delta: 0)", "wrong-value: `delta` takes a number above 0, not 0"],
  ["distill", "schedule: step(every: 500)", "missing-argument: `step` needs its argument `by`"],
  ["distill", "schedule: step(evry: 5, by: 1)", "unknown-argument: `step` has no argument `evry`"],
  ["distill", "objective: diffusion", "unknown-key: `distill` has no key `objective`"],
  ["distill", "stps: 4", "unknown-key: `distill` has no key `stps`"],
  ["distill", "steps: 4, steps: 5", "given-twice: `steps` is given twice"],
  ["distill", "steps: 4, epochs: 5", "rival-keys: Either `steps` or `epochs`, not both"],
  ["distill", "alpha: 4", "alpha-without-lora: `alpha` belongs to `lora`"],
  ["distill", "steps: {a: 1}", "wrong-value: `steps` takes one value, not a record"],
  ["distill", "train: blocks[9]", "index-out-of-range: There is no block 9: `blocks` has 6"],
  [
    "distill",
    'train: all + "pos_embed"',
    "no-such-weights: `pos_embed` is neither a module nor a weight of dit.onnx",
  ],
  ["distill", "train: all + new", "term-twice: `new` occurs twice in train"],
  ["finetune", "attn: l1", "unknown-key: `finetune` has no key `attn`"],
  ["finetune", "objective: 0 * output", "wrong-value: `weight` takes a number above 0, not 0"],
  ["finetune", "objective: output + output", "term-twice: `output` occurs twice in objective"],
  [
    "finetune",
    'inputs: {sample: "x"}',
    "no-such-input: `x`, the sample input, is not an input of dit.onnx",
  ],
  ["finetune", 'inputs: {smple: "x"}', "unknown-key: `inputs` has no key `smple`"],
  ["finetune", 'inputs: "x"', 'wrong-value: `inputs` takes a record, not "x"'],
])("%s { %s }", (stage, entry, message) => {
  expect(said(plan(`${stage} { ${entry} }`, six).diagnostics)).toEqual([message]);
});

test("several mistakes in one run, each where it stands", () => {
  const text = "distill { steps: 0, lr: none_such, clp: 3 }";
  const { diagnostics } = plan(text, six);
  const marked = diagnostics.map(({ at }) => text.slice(at!.start, at!.end));
  expect(marked).toEqual(["0", "none_such", "clp"]);
});
