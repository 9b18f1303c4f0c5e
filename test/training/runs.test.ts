/** Training end to end: the same bits whatever way a run goes, and nothing lost on the way. */
import {
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { inMemory, materialize } from "../../src/ir/bytes.ts";
import { readModel, writeSafetensors } from "../../src/onnx/index.ts";
import { decodeElements, encodeElements } from "../../src/onnx-ops/elements.ts";
import { fixture } from "../passes/workbench.ts";
import { refusal, type Trial, trialIn, workplace } from "./workbench.ts";

const { folder, small } = await workplace();

const shared = "batch: 3, accumulate: 2, label_drop: 0.3, ema: 0.9";
const both = `replace blocks[1].attn with hyena_x
resize blocks[0].mlp to ratio 3
distill { steps: 4, ${shared} }
finetune { steps: 4, ${shared} }
`;

describe("a run of two stages", () => {
  const straight = () => trialIn(folder, "straight", both, small);

  test("is the same for the same seed, and keeps what is useful", async () => {
    const [first, second] = [straight(), trialIn(folder, "again", both, small)];
    const { stages } = await first.run();
    await second.run();
    expect(second.bytes().equals(first.bytes())).toBe(true);
    expect(second.log()).toEqual(first.log());
    const [distill, finetune] = stages;
    expect(distill).toMatchObject({ kind: "distill", steps: 4 });
    expect(distill!.sites).toEqual(["blocks[1].attn", "blocks[0].mlp"]);
    expect(finetune!.lossFirst).toBeGreaterThan(0);
    expect(readdirSync(`${first.out}.run`).sort()).toEqual([
      "log.jsonl",
      "loss.svg",
      "run.json",
      "stage1.safetensors",
      "stage2.safetensors",
    ]);
  });

  test.each([
    ["distill", 3],
    ["distill", 4],
    ["finetune", 2],
  ])("stopped in %s after step %i, it goes on to the same bits", async (stage, step) => {
    const trial = trialIn(folder, `stopped-${stage}-${step}`, both, small);
    const controller = new AbortController();
    let stages = 0;
    const { codes, text } = await refusal(
      trial.run({
        signal: controller.signal,
        onProgress(done, total, words) {
          if (!words.includes("steps") || total !== 4) return;
          if (done === 1) stages++;
          if (stages === (stage === "distill" ? 1 : 2) && done === step) controller.abort();
        },
      }),
    );
    expect(codes).toEqual(["run-interrupted"]);
    expect(text).toContain(`after step ${step} of 4 of ${stage}`);
    expect(text).toMatch(/`graftc train .*--resume` goes on/);
    expect(readdirSync(`${trial.out}.run`)).toContain("loss.svg");
    expect(existsSync(trial.out)).toBe(false);
    expect((await refusal(trial.run())).codes).toEqual(["run-exists"]);
    const { stages: results } = await trial.run({ resume: true });
    expect(trial.bytes().equals(straight().bytes())).toBe(true);
    expect(trial.log()).toEqual(straight().log());
    expect(results.map(({ lossLast }) => lossLast)).not.toContain(null);
  });

  test("finished, writes its model again, or makes way for another run", async () => {
    const trial = straight();
    const bytes = trial.bytes();
    rmSync(trial.out);
    await trial.run({ resume: true });
    expect(trial.bytes().equals(bytes)).toBe(true);
    expect((await refusal(trial.run({ resume: true, steps: 5 }))).codes).toEqual(["run-differs"]);
    await trial.run({ seed: 1 });
    expect(trial.bytes().equals(bytes)).toBe(false);
  });
});

test("in groups of sites that fit into memory, each learns the same bits as among all", async () => {
  const edits = `replace blocks[0, 1].attn with hyena_x
resize blocks[0, 1].mlp to ratio 6
distill { steps: 3, ${shared}, optimizer: sgd(momentum: 0.9), lr: 0.05 }
`;
  const [whole, grouped] = ["one", "grouped"].map((name) =>
    trialIn(folder, name, edits, small),
  ) as [Trial, Trial];
  const { stages } = await whole.run({ dryRun: true });
  const { total, step } = stages[0]!.memory!.estimated;
  await whole.run();
  let graphs = 0;
  await grouped.run({
    memory: total - 0.1 * step,
    onProgress() {
      const work = join(`${grouped.out}.run`, "work");
      if (!existsSync(work)) return;
      graphs = readdirSync(work).filter((name) => /^training_model\.\d\.onnx$/.test(name)).length;
    },
  });
  expect(graphs).toBeGreaterThan(1);
  const [expected, got] = [whole.result(1), grouped.result(1)];
  expect(got).toEqual(expected);
});

test("a batch in parts is the batch, but for rounding", async () => {
  const recipe = (batch: string) => `replace blocks[1].attn with hyena_x
finetune { steps: 3, ${batch}, optimizer: sgd(momentum: 0.9), lr: 0.05 }
`;
  const [whole, parts] = [
    trialIn(folder, "whole", recipe("batch: 6"), small),
    trialIn(folder, "parts", recipe("batch: 2, accumulate: 3"), small),
  ];
  await whole.run();
  await parts.run();
  const [expected, got] = [whole.result(1), parts.result(1)];
  expect([...got.keys()]).toEqual([...expected.keys()]);
  for (const [name, values] of expected) {
    const error = Math.max(...values.map((value, i) => Math.abs(value - got.get(name)![i]!)));
    expect(error, name).toBeLessThan(2e-6);
  }
});

test("adapters move linear weights alone, by matrices of their rank", async () => {
  const edits = "finetune { steps: 3, batch: 4, lora: 2, alpha: 8, lr: 0.01 }\n";
  const trial = trialIn(folder, "lora", edits, small);
  await trial.run();
  const [before, after] = await Promise.all([small, trial.out].map((path) => readModel(path)));
  const moved = [...before!.graph.initializers].flatMap(({ name, initializer }) => {
    const now = after!.graph.values.get(name)!.initializer!;
    expect([now.dtype, now.shape], name).toEqual([initializer!.dtype, initializer!.shape]);
    const [a, b] = [initializer!, now].map(({ dtype, data }) => {
      return decodeElements(dtype, materialize(data));
    });
    const delta = b!.map((value, i) => value - a![i]!);
    return delta.some((value) => value !== 0) ? [{ name, delta, shape: now.shape }] : [];
  });
  expect(moved.length).toBeGreaterThan(10);
  for (const { name, delta, shape } of moved) {
    expect(shape.length, name).toBe(2);
    expect(rankOf(delta, shape[1]!, 1e-5), name).toBeLessThanOrEqual(2);
  }
});

/** By elimination; what is below `noise` after it is rounding. */
function rankOf(values: Float64Array, columns: number, noise: number): number {
  const rows = Array.from({ length: values.length / columns }, (_, i) =>
    values.slice(i * columns, (i + 1) * columns),
  );
  for (let rank = 0; ; rank++) {
    const sizes = rows.map((row) => Math.max(...row.map(Math.abs)));
    const largest = Math.max(...sizes);
    if (largest < noise || rank === columns) return rank;
    const pivot = rows[sizes.indexOf(largest)]!;
    const at = pivot.findIndex((value) => Math.abs(value) === largest);
    const copy = pivot.slice();
    for (const row of rows) {
      const factor = row[at]! / copy[at]!;
      for (let i = 0; i < columns; i++) row[i]! -= factor * copy[i]!;
    }
  }
}

describe("stopped where", () => {
  test("the loss is not finite, with the first node that is to blame", async () => {
    const trial = trialIn(folder, "burst", "finetune { steps: 4, batch: 4, lr: 1e30 }\n", small);
    const { codes, text } = await refusal(trial.run({ interval: 0 }));
    expect(codes).toEqual(["loss-not-finite"]);
    expect(text).toMatch(/The loss is NaN in step 2\n.*\nthe first value .* leaves `\w+` `/);
    expect(text).toContain("keeps step 1");
  });

  test("the gradient is not finite, before it spoils the weights", async () => {
    const edits = `operator rough for attn {
  layer proj = linear(D, D)
  return proj(x) + sqrt(relu(x) * 0)
}
replace blocks[1].attn with rough
finetune { steps: 4, batch: 4 }
`;
    const { codes, text } = await refusal(trialIn(folder, "rough", edits, small).run());
    expect(codes).toEqual(["gradient-not-finite"]);
    expect(text).toMatch(/step 1\n.*\nthe first value that is not finite leaves `/);
  });

  test("memory is short, with a batch that fits", async () => {
    const trial = trialIn(folder, "short", "finetune { steps: 4, batch: 24 }\n", small);
    const { stages } = await trial.run({ dryRun: true });
    const { total, step } = stages[0]!.memory!.estimated;
    const { codes, text } = await refusal(trial.run({ memory: total - 0.4 * step }));
    expect(codes).toEqual(["memory-short"]);
    expect(text).toContain("`batch: 12, accumulate: 2` takes less");
    expect(existsSync(`${trial.out}.run`)).toBe(false);
    const { codes: none, text: way } = await refusal(trial.run({ memory: 1e6 }));
    expect(none).toEqual(["memory-short"]);
    expect(way).toContain("lora");
  });

  test.each([
    ["no-label", "finetune { steps: 1, batch: 4, label_drop: 0.1, null_label: 50 }"],
    ["nothing-to-distill", "distill { steps: 1, batch: 4 }"],
    ["trains-nothing", "finetune { train: new, steps: 1, batch: 4 }"],
    ["data-few", "finetune { steps: 1, batch: 25 }"],
    [
      "objective-needs",
      `${both.replace(/finetune.*/, "finetune { objective: diffusion + flow, batch: 4 }")}`,
    ],
  ])("%s, before the first step", async (code, edits) => {
    const trial = trialIn(folder, `refused-${code}`, `${edits}\n`, small);
    expect((await refusal(trial.run())).codes).toEqual([code]);
    expect(existsSync(`${trial.out}.run`)).toBe(false);
  });

  test("the model's data file or a file of weights is another than before", async () => {
    const [model, weights] = ["model.onnx", "w.safetensors"].map((name) => join(folder, name));
    const external = fixture("dit-tiny-external");
    copyFileSync(external, model!);
    copyFileSync(`${external}.data`, join(folder, "dit-tiny-external.onnx.data"));
    const bias = (value: number) => {
      const data = inMemory(encodeElements("float32", Array(64).fill(value)));
      const tensor = { dtype: "float32" as const, shape: [64], data };
      return writeSafetensors(weights!, [["blocks.0.attn.proj.bias", tensor]]);
    };
    await bias(1);
    const trial = trialIn(folder, "elsewhere", "finetune { steps: 4, batch: 4, lora: 1 }\n");
    const controller = new AbortController();
    const onProgress = (done: number) => done === 2 && controller.abort();
    const options = { model: model!, weights: [weights!], weightsPartial: true };
    await refusal(trial.run({ ...options, signal: controller.signal, onProgress }));
    await bias(2);
    const { codes, text } = await refusal(trial.run({ ...options, resume: true }));
    expect([codes, text]).toEqual([
      ["run-differs"],
      expect.stringContaining("the edits are others"),
    ]);
    await bias(1);
    const path = join(folder, "dit-tiny-external.onnx.data");
    const bytes = readFileSync(path);
    bytes[bytes.length - 2]! ^= 1;
    writeFileSync(path, bytes);
    const { codes: others, text: told } = await refusal(trial.run({ ...options, resume: true }));
    expect([others, told]).toEqual([
      ["run-differs"],
      expect.stringContaining("the model is another"),
    ]);
  });

  test("a checkpoint is damaged", async () => {
    const trial = trialIn(folder, "damaged", "finetune { steps: 4, batch: 4 }\n", small);
    const controller = new AbortController();
    const onProgress = (done: number) => done === 2 && controller.abort();
    await refusal(trial.run({ signal: controller.signal, onProgress }));
    writeFileSync(join(`${trial.out}.run`, "checkpoint.safetensors"), "x".repeat(100));
    expect((await refusal(trial.run({ resume: true }))).codes).toEqual(["run-damaged"]);
  });
});
