import { expect, test } from "vitest";
import { lossOf } from "../../../passes/train/losses.ts";
import { optimizerModel } from "../../../passes/train/optimizers.ts";
import type { Loss } from "../../../passes/train/recipe.ts";
import { verify } from "../../../passes/verify.ts";
import { materialize } from "../../../src/ir/bytes.ts";
import { type Model, Value } from "../../../src/ir/graph.ts";
import { declareOutput } from "../../../src/onnx-ops/blank-model.ts";
import { decodeElements } from "../../../src/onnx-ops/elements.ts";
import { Grower } from "../../../src/onnx-ops/grower.ts";
import { Patch } from "../../../src/onnx-ops/patch.ts";
import { distance, grow, load, type Numbers, readGolden } from "../../lower/workbench.ts";
import { rowOf, train, turned } from "./trajectories.ts";
import { addGradients, type Feeds, scalar, toInputs } from "./workbench.ts";

test.each(["l1", "l2"] as const)(
  "50 steps of a hyena_x that learns attention by %s",
  async (kind) => {
    const { tensors, metadata } = readGolden(`stage1_hyena_x_${kind}`);
    const grown = await grow("hyena_x", { shape: [4, 16, 32], opset: 20, heads: 4 });
    const bare = (name: string) => name.replace("blocks.0.attn.", "");
    load(
      grown,
      new Map(grown.weights.map(({ name }) => [bare(name), tensors.get(`init.${bare(name)}`)!])),
    );
    const weights = grown.weights.map(({ value }) => value);
    const start = new Map(weights.map((value) => [value.name, storedNumbers(value)]));
    addLoss(grown.model, weights, { kind });
    let last: Feeds = new Map();
    await train({
      training: grown.model,
      optimizer: optimizerModel({
        parameters: weights.map(({ name, type }) => {
          return { name, shape: type!.shape as number[], group: "blocks[0].attn" };
        }),
        optimizer: { kind: "adamw", beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0 },
        clip: 10,
        ema: true,
        norms: true,
        form: "rows",
        shapes: "own",
      }),
      start: new Map([...start, ["ema_decay", scalar(0.99)]]),
      steps: 50,
      batch: (step) =>
        new Map([
          ["x", rowOf(tensors.get("x")!, 4 * (step % 4), 4)],
          ["target", rowOf(tensors.get("target")!, 4 * (step % 4), 4)],
          ["learning_rate", rowOf(tensors.get("lr")!, step)],
        ]),
      after(_, values) {
        last = values;
      },
    });
    for (const each of ["loss", "grad_norm"]) {
      const error = distance(last.get(each)!, tensors.get(each)!);
      expect(error, each).toBeLessThanOrEqual(Number(metadata.tolerance_loss));
    }
    for (const { name, layout } of grown.weights) {
      const turn = layout === "in,out" ? turned : (x: Numbers) => x;
      for (const [stored, golden] of [
        [name, `final.${bare(name)}`],
        [`${name}.ema`, `ema.${bare(name)}`],
      ] as const) {
        const error = distance(turn(last.get(stored)!), tensors.get(golden)!);
        expect(error, golden).toBeLessThanOrEqual(Number(metadata.tolerance));
      }
    }
  },
);

/** Makes inputs of weights, and a loss of y against an input like it. */
function addLoss(model: Model, weights: readonly Value[], loss: Loss): void {
  const { graph } = model;
  const [y] = graph.outputs as [Value];
  const target = new Value("target", y.type);
  graph.values.set(target.name, target);
  graph.inputs.push(target);
  toInputs(model, weights);
  const patch = new Patch(graph, null, "");
  const grower = new Grower(patch, 20);
  const { value, type } = lossOf(loss, grower.wire(y), grower.wire(target));
  patch.commit();
  declareOutput(model, value, "loss", type);
  addGradients(model, value, weights);
  verify(model);
}

function storedNumbers({ initializer }: Value): Numbers {
  const { shape, dtype, data } = initializer!;
  return { shape, data: Float32Array.from(decodeElements(dtype, materialize(data))) };
}
