import { expect, test } from "vitest";
import { crossEntropy, lossOf } from "../../../passes/train/losses.ts";
import type { Loss } from "../../../passes/train/recipe.ts";
import { distance, type Numbers, readGolden } from "../../lower/workbench.ts";
import { evaluate, type Feeds, growModel, typesOf } from "./workbench.ts";

const losses: Readonly<Record<string, Loss>> = {
  l1: { kind: "l1" },
  l2: { kind: "l2" },
  huber_1: { kind: "huber", delta: 1 },
  "huber_0.5": { kind: "huber", delta: 0.5 },
  cosine: { kind: "cosine" },
};

async function lossAndGradient(loss: Loss, tensors: Feeds) {
  const inputs = typesOf(tensors, ["pred", "target"]);
  const model = growModel(
    inputs,
    (wire) => ({ loss: lossOf(loss, wire("pred"), wire("target")) }),
    ["pred"],
  );
  const outputs = await evaluate(model, tensors);
  return { loss: outputs.get("loss")!, gradient: outputs.get("pred.grad")! };
}

test.each(Object.entries(losses))("%s is PyTorch's", async (name, spec) => {
  const { tensors, metadata } = readGolden("losses");
  const { loss, gradient } = await lossAndGradient(spec, tensors);
  const tolerance = Number(metadata.tolerance);
  expect(distance(loss, tensors.get(name)!)).toBeLessThanOrEqual(tolerance);
  expect(distance(gradient, tensors.get(`d.pred.${name}`)!)).toBeLessThanOrEqual(tolerance);
});

test.each(Object.entries(losses))(
  "%s has a slope where nothing differs, or all is 0",
  async (name, spec) => {
    const zeros: Numbers = { shape: [2, 4], data: new Float32Array(8) };
    const { loss, gradient } = await lossAndGradient(
      spec,
      new Map([
        ["pred", zeros],
        ["target", zeros],
      ]),
    );
    expect(loss.data).toEqual(Float32Array.of(name === "cosine" ? 1 : 0));
    expect(gradient.data.map(Math.abs)).toEqual(zeros.data);
  },
);

test("cross-entropy pulls the probabilities to the labels", async () => {
  const [rows, classes] = [6, 5];
  const logits = Float32Array.from({ length: rows * classes }, (_, i) => 3 * Math.sin(i * i));
  const labels = Float32Array.of(0, 4, 2, 2, 1, 3);
  const feeds = new Map<string, Numbers>([
    ["logits", { shape: [2, 3, classes], data: logits }],
    ["labels", { shape: [2, 3], data: labels }],
  ]);
  const model = growModel(
    typesOf(feeds, ["logits", "labels"], { labels: "int64" }),
    (wire) => ({ loss: crossEntropy(wire("logits"), wire("labels")) }),
    ["logits"],
  );
  const outputs = await evaluate(model, feeds);
  const chances = Array.from({ length: rows }, (_, row) => {
    const raised = [...logits.slice(row * classes, (row + 1) * classes)].map(Math.exp);
    return raised.map((each) => each / raised.reduce((a, b) => a + b));
  });
  const loss = chances.reduce((sum, row, i) => sum - Math.log(row[labels[i]!]!), 0) / rows;
  const gradient = chances.flatMap((row, i) =>
    row.map((chance, j) => (chance - (labels[i] === j ? 1 : 0)) / rows),
  );
  expect(outputs.get("loss")!.data[0]).toBeCloseTo(loss, 5);
  const want = { shape: [2, 3, classes], data: Float32Array.from(gradient) };
  expect(distance(outputs.get("logits.grad")!, want)).toBeLessThan(1e-5);
});
