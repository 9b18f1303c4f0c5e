/** Values of a model may be called as what training adds to it. */
import { join } from "node:path";
import { expect, test } from "vitest";
import { inMemory } from "../../src/ir/bytes.ts";
import type { Graph } from "../../src/ir/graph.ts";
import { readModel, writeModel, writeSafetensors } from "../../src/onnx/index.ts";
import { encodeElements } from "../../src/onnx-ops/elements.ts";
import { giveName } from "../../src/onnx-ops/interface.ts";
import { dataOf, trialIn, workplace } from "./workbench.ts";

const edits = `replace blocks[1].attn with hyena_x
distill { steps: 2, batch: 2, ema: 0.9 }
finetune { objective: diffusion + 0.5 * output + 0.1 * labels, train: new, steps: 2, batch: 2, ema: 0.9 }
`;

const { folder, small } = await workplace();

/** A class of eight for each place of an output. */
const classes = {
  dtype: "int64" as const,
  shape: [24, 8, 8],
  data: inMemory(
    encodeElements(
      "int64",
      Array.from({ length: 24 * 64 }, (_, i) => i % 8),
    ),
  ),
};

const weight = "blocks.1.attn.short_filter.bias";

/** Names of what goes into training graphs and comes out of them. */
const added = [
  ...["noise", "labels", "learning_rate", "step", "ema_decay", "loss", "loss.blocks[1].attn"],
  ...["norm.", "norm.blocks[1].attn", "target.output", "loop.trip", "loop.goes_on"],
  ...["grad", "grad.so_far", "exp_avg", "exp_avg_sq", "ema", "next", "in_loop"].map(
    (part) => `${weight}.${part}`,
  ),
];

const renamings: Readonly<Record<string, (graph: Graph) => void>> = {
  "inside of it": (graph) => {
    const inner = graph.nodes.flatMap(({ outputs }) => outputs[0] ?? []);
    for (const [i, name] of added.entries()) giveName(graph, inner[10 + 4 * i]!, name);
  },
  "its inputs": (graph) => {
    const [x, t, y] = graph.inputs as [(typeof graph.inputs)[0], ...typeof graph.inputs];
    giveName(graph, x, "noise");
    giveName(graph, t!, "step");
    giveName(graph, y!, "labels");
    giveName(graph, graph.outputs[0]!, "learning_rate");
  },
  "others of them": (graph) => {
    const [x, t, y] = graph.inputs as [(typeof graph.inputs)[0], ...typeof graph.inputs];
    giveName(graph, x, "learning_rate");
    giveName(graph, t!, "ema_decay");
    giveName(graph, y!, "loss");
    giveName(graph, graph.outputs[0]!, "noise");
  },
};

async function trained(name: string, rename: (graph: Graph) => void, stepsPerCall: number) {
  const read = await readModel(small);
  const { graph } = read;
  const before = graph.inputs.map((input) => [input, input.name] as const);
  rename(graph);
  const model = join(folder, `${name}.model.onnx`);
  await writeModel(read, model);
  const now = new Map(before.map(([input, was]) => [was, input.name]));
  const labels = [...now.values()].includes("labels") ? "labels_" : "labels";
  const given = dataOf(24).map(([key, tensor]) => [now.get(key)!, tensor] as const);
  const data = join(folder, `${name}.safetensors`);
  await writeSafetensors(data, [...given, [labels, classes]]);
  const trial = trialIn(folder, `${name}.${stepsPerCall}`, edits);
  await trial.run({ model, data, stepsPerCall });
  return { log: trial.log(), learned: [trial.result(1), trial.result(2)] };
}

const plain = new Map<number, ReturnType<typeof trained>>();

test.each([
  ["inside of it", 1],
  ["inside of it", 4],
  ["its inputs", 4],
  ["others of them", 1],
])("%s, with %i steps a call", async (where, stepsPerCall) => {
  if (!plain.has(stepsPerCall))
    plain.set(
      stepsPerCall,
      trained("plain", () => {}, stepsPerCall),
    );
  const expected = await plain.get(stepsPerCall)!;
  const got = await trained(where, renamings[where]!, stepsPerCall);
  expect(got).toEqual(expected);
});
