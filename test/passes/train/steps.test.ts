/** Several steps in one call against the same steps in a call each. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { stepsModel } from "../../../passes/train/steps.ts";
import { addGradients } from "../../../passes/train/training-graph.ts";
import { drawsOf } from "../../../runtime/train/noise.ts";
import { loadEdits } from "../../../src/edits.ts";
import { materialize } from "../../../src/ir/bytes.ts";
import { elements } from "../../../src/ir/types.ts";
import { stageOf } from "../../../src/training/stages.ts";
import type { Numbers } from "../../lower/workbench.ts";
import { fixture } from "../workbench.ts";
import { type Feeds, open, scalar } from "./workbench.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "graftc-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const count = 3;

function random(purpose: string, shape: readonly number[]): Numbers {
  const data = new Float32Array(elements(shape));
  drawsOf(7, purpose).normals(0, 0, data);
  return { shape, data };
}

const stacked = (each: readonly Numbers[]): Numbers => ({
  shape: [each.length, ...each[0]!.shape],
  data: Float32Array.from(each.flatMap(({ data }) => [...data])),
});

test("steps in one call are the same steps, to the bit", async () => {
  const edits = join(folder, "edits.graft");
  writeFileSync(
    edits,
    `replace blocks[1, 3].attn with hyena_x
     distill { steps: 3, batch: 2, optimizer: adamw(weight_decay: 0.1) }`,
  );
  const { program } = loadEdits([edits]);
  const model = fixture("dit-tiny-dynamo20");
  const graph = { sizes: new Map([["batch", 2]]), noised: false };
  const { recipe, graph: made } = await stageOf({ model }, program, 0, { graph });
  addGradients(made);
  const settings = { optimizer: recipe.optimizer, clip: 0.5, ema: true, form: "plain" as const };
  const { trained } = made;
  const session = await open(stepsModel(made, settings).model);

  const data = Array.from({ length: count }, (_, i) => ({
    x: random(`x${i}`, [2, 4, 8, 8]),
    noise: random(`noise${i}`, [2, 4, 8, 8]),
    t: { shape: [2], data: Float32Array.of(10 + i, 500) },
    y: { shape: [2], data: Float32Array.of(i, 3) },
  }));
  const rates = [1e-3, 2e-3, 5e-4];
  const decays = [0.1, 0.5, 0.9];
  const starts = trained.flatMap(({ name, start, shape }): [string, Numbers][] => {
    const bytes = new Uint8Array(materialize(start.data));
    const weights = { shape, data: new Float32Array(bytes.buffer) };
    const zeros = { shape, data: new Float32Array(weights.data.length) };
    return [
      [name, weights],
      [`${name}.exp_avg`, zeros],
      [`${name}.exp_avg_sq`, zeros],
      [`${name}.ema`, weights],
    ];
  });

  const state = new Map<string, Numbers>(starts);
  const losses: number[] = [];
  for (const [i, feeds] of data.entries()) {
    const one = Object.entries(feeds).map(([name, value]) => [name, stacked([value])] as const);
    const made = await session.run(
      new Map([
        ...state,
        ...one,
        ["learning_rate", stacked([scalar(rates[i]!)])],
        ["step", stacked([scalar(i + 1)])],
        ["ema_decay", stacked([scalar(decays[i]!)])],
      ]),
    );
    losses.push(made.get("loss")!.data[0]!);
    for (const name of state.keys()) state.set(name, made.get(`${name}.next`)!);
  }

  const all: Feeds = new Map([
    ...starts,
    ...(["x", "noise", "t", "y"] as const).map((name): [string, Numbers] => {
      return [name, stacked(data.map((feeds) => feeds[name]))];
    }),
    ["learning_rate", stacked(rates.map(scalar))],
    ["step", stacked(rates.map((_, i) => scalar(i + 1)))],
    ["ema_decay", stacked(decays.map(scalar))],
  ]);
  const outputs = await session.run(all);
  await session.release();
  expect([...outputs.get("loss")!.data]).toEqual(losses);
  for (const [name, { data }] of state) {
    expect([...outputs.get(`${name}.next`)!.data], name).toEqual([...data]);
  }
});
