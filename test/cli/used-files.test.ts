import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { graftc, json, scratch } from "./graftc.ts";

const folder = scratch();
const model = "test/fixtures/models/dit-tiny-dynamo20.onnx";

function compile(text: string, ...flags: string[]) {
  const edits = join(folder, "main.graft");
  writeFileSync(edits, text);
  return graftc([model, edits, "-o", join(folder, "out.onnx"), "--json", ...flags]);
}

test("an operator sees the params of the file that it stands in", () => {
  writeFileSync(
    join(folder, "ops.graft"),
    `param size = 3
     operator shifted(count: int = size) for attn {
       weight many: [count] = zeros
       weight more: [10 * size] = zeros
       return x + sum(many) + sum(more)
     }`,
  );
  const run = compile(
    `use "ops.graft"
     param size = 7
     replace blocks[1].attn with shifted
     replace blocks[2].attn with shifted(count: size)`,
    "--set",
    "size=5",
  );
  expect(run.stderr).toBe("");
  const { edits } = json<{ edits: { parameters_added: number }[] }>(run);
  expect(edits.map((edit) => edit.parameters_added)).toEqual([3 + 30, 5 + 30]);
});

test("built-in operators call their own helpers, whatever the file calls its own", () => {
  const run = compile(
    `operator attend(k: tensor, v: tensor, mask: tensor, ends: tensor = 0) { return 0 * x }
     operator blocks_of(b: int) { return 0 * x }
     replace blocks[0..2].attn with mha
     replace blocks[3..5].attn with swa(window: 16)`,
    "--verify",
  );
  expect(run.stderr).toBe("");
  const { verification } = json<{ verification: { outputs: { relative: number }[] } }>(run);
  expect(verification.outputs[0]!.relative).toBeLessThan(2e-6);
});
