/** What training learned is what the written model has, and what a file of weights gives back. */
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { compile } from "../../src/compile.ts";
import { inMemory, materialize } from "../../src/ir/bytes.ts";
import { readModel, readSafetensors, writeSafetensors } from "../../src/onnx/index.ts";
import { encodeElements } from "../../src/onnx-ops/elements.ts";
import { dataOf, trialIn, workplace } from "./workbench.ts";

const { folder, small } = await workplace();

/** Of the initializers of both: the bytes of each. */
async function weightsOf(path: string): Promise<Map<string, Buffer>> {
  const { graph } = await readModel(path);
  const stored = [...graph.initializers].map(
    ({ name, initializer }) => [name, Buffer.from(materialize(initializer!.data))] as const,
  );
  return new Map(stored);
}

test.each([
  ["alone", "", "blocks[0].mlp", 4],
  ["by the name of their module", "", '"blocks.0.mlp"', 4],
  // The replaced MLP keeps the names of its biases.
  ["beside what is new", "replace blocks[1].mlp with mlp\n", "new + blocks[0].mlp", 6],
])("weights that a recipe selects %s are written", async (name, edits, train, count) => {
  const recipe = `finetune { train: ${train}, steps: 2, batch: 4, lr: 0.01 }\n`;
  const trial = trialIn(folder, name.replaceAll(" ", "-"), `${edits}${recipe}`, small);
  await trial.run();
  const [before, after] = [await weightsOf(small), await weightsOf(trial.out)];
  const moved = [...before].filter(([key, bytes]) => !bytes.equals(after.get(key) ?? bytes));
  expect(moved.map(([key]) => key)).toHaveLength(count);
  expect(moved.map(([key]) => key)).toContain("blocks.0.mlp.fc1.bias");
});

test("weights are selected by names that edits give them, too", async () => {
  const train = '"blocks.0.attn.out_proj" + "blocks.0.attn.short_filter.weight"';
  const edits = "replace blocks[0].attn with hyena_x\n";
  const recipe = (steps: number) => `finetune { train: ${train}, steps: ${steps}, batch: 4 }\n`;
  const [one, two] = [1, 2].map((n) =>
    trialIn(folder, `given-${n}`, `${edits}${recipe(n)}`, small),
  );
  await one!.run();
  await two!.run();
  const [before, after] = [await weightsOf(one!.out), await weightsOf(two!.out)];
  const moved = [...before].filter(([key, bytes]) => !bytes.equals(after.get(key)!));
  expect(moved.map(([key]) => key).sort()).toEqual([
    "blocks.0.attn.out_proj.bias",
    "blocks.0.attn.out_proj.weight",
    "blocks.0.attn.short_filter.weight",
  ]);
});

test.each([
  ["selected", "distill { train: blocks[1].attn, steps: 2, batch: 4 }"],
  ["adapted", "distill { lora: 2, steps: 2, batch: 4 }"],
])("only the sites with a weight that is %s are distilled", async (name, recipe) => {
  const edits = `operator scaled for attn {
  weight scale: [D] = ones
  return x * scale
}
replace blocks[0].attn with scaled
replace blocks[1].attn with hyena_x
${recipe}
`;
  const { stages } = await trialIn(folder, `sites-${name}`, edits, small).run();
  expect(stages[0]!.sites).toEqual(["blocks[1].attn"]);
});

describe("what a stage leaves is a state_dict", () => {
  const edits = `operator turned for attn {
  weight mix: [D, D] = normal(0.02)
  layer proj = linear(D, D) from host.out
  return proj(x @ mix)
}
replace blocks[0].attn with turned
replace blocks[1].attn with hyena_x
resize blocks[1].mlp to ratio 3
`;

  test.each([
    ["whole", "finetune { steps: 2, batch: 4, lr: 0.01 }"],
    ["adapted", "finetune { steps: 2, batch: 4, lr: 0.01, lora: 2 }"],
  ])("%s, it gives the trained model again", async (name, recipe) => {
    const trial = trialIn(folder, `dict-${name}`, `${edits}${recipe}\n`, small);
    await trial.run();
    const again = join(folder, `dict-${name}-again.onnx`);
    const weights = [join(`${trial.out}.run`, "stage1.safetensors")];
    await compile({
      model: small,
      edits: [trial.edits],
      out: again,
      weights,
      weightsPartial: true,
    });
    expect(await weightsOf(again)).toEqual(await weightsOf(trial.out));
    const { tensors } = readSafetensors(weights[0]!);
    expect(tensors.get("blocks.1.mlp.fc1.weight")!.shape).toEqual([192, 64]);
  });
});

test("what one stage alone takes from the data is no tensor too many", async () => {
  const edits = `replace blocks[1].attn with hyena_x
distill { steps: 1, batch: 4 }
finetune { objective: labels, steps: 1, batch: 4 }
`;
  const labels = join(folder, "labelled.safetensors");
  const bytes = encodeElements("int64", new Float64Array(4 * 8 * 8));
  const classes = { dtype: "int64" as const, shape: [4, 8, 8], data: inMemory(bytes) };
  await writeSafetensors(labels, [...dataOf(4), ["labels", classes]]);
  const { diagnostics } = await trialIn(folder, "labelled", edits, small).run({ data: labels });
  expect(diagnostics).toEqual([]);
});
