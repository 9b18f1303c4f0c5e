/**
 * One configuration in this process: its training graph is made, and steps of the trainer are timed.
 * Prints a line of JSON. A batch of random numbers is fed: what a step costs does not depend on them.
 */
import { mkdirSync } from "node:fs";
import { retype } from "../passes/train/retype.ts";
import { addGradients } from "../passes/train/training-graph.ts";
import { float32, int64, openTrainer, type Tensor, tensorOf } from "../runtime/index.ts";
import { loadEdits } from "../src/edits.ts";
import type { Value } from "../src/ir/graph.ts";
import { readsOf } from "../src/ir/order.ts";
import { elements } from "../src/ir/types.ts";
import { declareInput, keepOutputs } from "../src/onnx-ops/interface.ts";
import { Patch } from "../src/onnx-ops/patch.ts";
import { optimizerProgram, type Pass, writePrograms } from "../src/training/programs.ts";
import { type Stage, stageOf } from "../src/training/stages.ts";

/** The same step again and again: the first ones meet cold caches. */
const [warmUps, steps] = [3, 8] as const;

const [model, edits, batchText, folder] = process.argv.slice(2) as [string, string, string, string];
const batch = Number(batchText);
mkdirSync(folder, { recursive: true });
const stage = await stageOf({ model }, loadEdits([edits], undefined).program, 0, {
  graph: { sizes: new Map([["batch", batch]]), noised: false },
});
if (stage.recipe.stage === "distill") await giveFrozen(stage);
const data = dataOf(stage);
addGradients(stage.graph);
const programs = await writePrograms(stage, [stage.graph], folder, {
  runs: 1,
  kept: null,
  most: 1,
});
const trainer = await openTrainer({ ...programs, threads: 1 });
const [{ program, losses }] = programs.passes as [Pass];
const cpu: number[] = [];
let loss = 0;
for (let step = 0; step < warmUps + steps; step++) {
  const before = process.cpuUsage();
  const read = [losses[0]!.slot];
  const { values } = await trainer.run({ program, feeds: data, read });
  loss = values.get(read[0]!)![0]!;
  const rate = [
    ["learning_rate", float32(1e-4)],
    ["step", int64(step + 1)],
  ] as const;
  await trainer.run({ program: optimizerProgram, feeds: rate });
  const { user, system } = process.cpuUsage(before);
  if (step >= warmUps) cpu.push((user + system) / 1e6);
}
await trainer.close();
console.log(JSON.stringify({ cpu, loss, peak: 1024 * process.resourceUsage().maxRSS }));

/** What no trained weight changes is given: the step is of a new operator, not of the model around it. */
async function giveFrozen({ graph: { model, trained, losses }, edited }: Stage): Promise<void> {
  const moving = new Set<Value>(trained.map(({ value }) => value));
  const students = model.graph.nodes.filter((node) => {
    const moves = readsOf(node).some((value) => moving.has(value));
    if (moves) for (const value of node.outputs) if (value) moving.add(value);
    return moves;
  });
  const patch = new Patch(model.graph, null, "");
  for (const value of new Set(students.flatMap(readsOf))) {
    const isStream = value.producer && !moving.has(value) && value.type?.shape?.length === 3;
    if (isStream) patch.shunt(value, declareInput(model, `given.${value.name}`, value.type!));
  }
  patch.commit();
  keepOutputs(
    model,
    losses.map(({ value }) => value),
  );
  model.graph.inputs = model.graph.inputs.filter(({ uses }) => uses.size > 0);
  await retype(model, edited.oracle);
}

function dataOf({ graph }: Stage): (readonly [string, Tensor])[] {
  let seed = 1;
  const random = () => {
    seed = (seed * 48271) % 2147483647;
    return seed / 2147483647 - 0.5;
  };
  return graph.model.graph.inputs
    .filter((value) => !graph.trained.some((each) => each.value === value))
    .map(({ name, type }) => {
      const shape = type!.shape!.map((dim) => (dim === "batch" ? batch : Number(dim)));
      const whole = !type!.dtype.startsWith("float");
      const values = Float64Array.from({ length: elements(shape) }, () =>
        whole ? Math.floor(500 * (random() + 0.5)) : random(),
      );
      return [name, tensorOf(type!.dtype, shape, values)] as const;
    });
}
