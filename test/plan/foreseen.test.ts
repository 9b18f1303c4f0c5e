/** What is said of selections before any model is read, and what is left to the model. */
import { expect, test } from "vitest";
import { checkProgram } from "../../src/plan/index.ts";
import { anatomy, load, plan, stack } from "./hand-made.ts";

const six = anatomy(stack("blocks", 6));
const codesOf = (text: string) => checkProgram(load(text).program!).map(({ code }) => code);

test.each([
  ["remove blocks[5..2]", "backward-range"],
  ["remove blocks[-2..-5]", "backward-range"],
  ["remove blocks[1.5]", "wrong-value"],
  ["remove blocks[0..3, 2]", "selected-twice"],
  ["remove blocks[all except 4..1]", "backward-range"],
  ["remove encoder.blocks[0].atn", "no-such-part"],
  ["remove blocks[2..4]\nremove blocks[3]", "edited-twice"],
  ["remove blocks[3]\nremove blocks[3].attn", "edited-twice"],
  ["parallelize blocks[0, 2] by 2", "pair-apart"],
  ["resize blocks[odd].norm1 to hidden 8", "resize-misfit"],
  ["resize blocks[odd].mlp to heads 8", "resize-misfit"],
  ["replace blocks[odd].cross_attn with hyena_x", "wrong-place"],
  ["rewrite r in blocks[2..1] { match y = Relu(x) with y = x }", "backward-range"],
  ["distill { train: blocks[0].atn }", "no-such-part"],
])("%s: %s", (text, code) => {
  expect(codesOf(text)).toEqual([code]);
  expect(plan(text, six).plan).toBeNull();
});

test.each([
  "remove blocks[5..-1]",
  "remove blocks[-1..5]",
  "remove blocks[0, -1]",
  "remove blocks[3].attn\nremove blocks[3].mlp\nremove blocks[4]",
  "remove blocks[3].attn\nrepeat blocks[3] times 2",
  "remove blocks[3]\nremove blocks[3] optional",
  "remove encoder.blocks[3]\nremove decoder.blocks[3]",
  "remove blocks[odd]\nremove blocks[last 1]",
  "remove blocks[top 2 by locality(k: 32)]",
  "remove blocks[0..1000000000]",
  "replace blocks[0].cross_attn with own\noperator own for attn { return x + context }",
  "replace blocks[0].attn2 with hyena_x",
  "resize blocks[0].context_mlp to ratio 3",
  "resize blocks[0].cross_attn2 to heads 4",
  'remove "encoder.layer.*.atn"',
  "distill { train: all }",
  "finetune { train: new }",
])("%s is for the model to judge", (text) => {
  expect(codesOf(text)).toEqual([]);
});
