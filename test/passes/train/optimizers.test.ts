import { expect, test } from "vitest";
import { lossOf } from "../../../passes/train/losses.ts";
import { type OptimizerRequest, optimizerModel } from "../../../passes/train/optimizers.ts";
import type { Loss, OptimizerSpec } from "../../../passes/train/recipe.ts";
import type { Form } from "../../../passes/train/updates.ts";
import { verify } from "../../../passes/verify.ts";
import { distance, type Numbers, readGolden } from "../../lower/workbench.ts";
import { rowOf, train } from "./trajectories.ts";
import { evaluate, growModel, scalar, typesOf } from "./workbench.ts";

const adam = (kind: "adam" | "adamw", weightDecay: number): OptimizerSpec => ({
  kind,
  beta1: 0.9,
  beta2: 0.999,
  eps: 1e-8,
  weightDecay,
});
const sgd = (nesterov: boolean, weightDecay: number): OptimizerSpec => ({
  kind: "sgd",
  momentum: 0.9,
  nesterov,
  weightDecay,
});

const trajectories: Readonly<Record<string, readonly [OptimizerSpec, Loss]>> = {
  adamw_l2: [adam("adamw", 0.01), { kind: "l2" }],
  adamw_l1: [adam("adamw", 0.01), { kind: "l1" }],
  adamw_huber: [adam("adamw", 0.01), { kind: "huber", delta: 1 }],
  adamw_cosine: [adam("adamw", 0.01), { kind: "cosine" }],
  adam_l2: [adam("adam", 0), { kind: "l2" }],
  adam_wd_l2: [adam("adam", 0.01), { kind: "l2" }],
  sgdm_l2: [sgd(false, 0.01), { kind: "l2" }],
  nesterov_l2: [sgd(true, 0), { kind: "l2" }],
};

const forms: readonly Form[] = ["rows", "plain"];
const names = ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"];

function requestOf(
  parameters: Readonly<Record<string, readonly number[]>>,
  rest: Pick<OptimizerRequest, "optimizer" | "clip" | "form"> & Partial<OptimizerRequest>,
): OptimizerRequest {
  const tensors = Object.entries(parameters).map(([name, shape]) => ({
    name,
    shape,
    group: "all",
  }));
  return { parameters: tensors, ema: true, norms: true, shapes: "own", ...rest };
}

/** `fc1.bias.ema` is `ema.fc1.bias` in the goldens. */
const goldenName = (name: string) =>
  name.replace(/^(.*)\.(ema|exp_avg|exp_avg_sq|momentum_buffer)$/, "$2.$1");

test.each(
  Object.entries(trajectories).flatMap(([name, [optimizer, loss]]) =>
    forms.map((form) => ({ name, form, optimizer, loss })),
  ),
)("20 steps of $name, $form", async ({ name, form, optimizer, loss }) => {
  const { tensors, metadata } = readGolden(`train_${name}`);
  const start = new Map(names.map((each) => [each, tensors.get(`init.${each}`)!]));
  const first = (each: string) => rowOf(tensors.get(each)!, 0);
  const inputs = new Map([...start, ["x", first("x")], ["target", first("target")]]);
  const training = growModel(
    typesOf(inputs, [...inputs.keys()]),
    (wire) => {
      const linear = (x: ReturnType<typeof wire>, layer: string) =>
        x.matmul(wire(`${layer}.weight`).transpose()).add(wire(`${layer}.bias`));
      const hidden = linear(wire("x"), "fc1");
      const active = hidden.grower.one("Gelu", [hidden], { attributes: { approximate: "tanh" } });
      return { loss: lossOf(loss, linear(active, "fc2"), wire("target")) };
    },
    names,
  );
  const shapes = Object.fromEntries([...start].map(([each, { shape }]) => [each, shape]));
  let checked = 0;
  await train({
    training,
    optimizer: optimizerModel(requestOf(shapes, { optimizer, clip: 1, form })),
    start: new Map([...start, ["ema_decay", scalar(0.99)]]),
    steps: 20,
    batch: (step) =>
      new Map([
        ["x", rowOf(tensors.get("x")!, step)],
        ["target", rowOf(tensors.get("target")!, step)],
        ["learning_rate", rowOf(tensors.get("lr")!, step)],
      ]),
    after(steps, values) {
      const whole = steps === 20 ? ["loss", "grad_norm"] : [];
      const compared = [...values.keys()].flatMap((each): [string, string][] => {
        if (names.includes(each))
          return [[each, steps === 20 ? `final.${each}` : `after${steps}.${each}`]];
        return steps === 20 && goldenName(each) !== each ? [[each, goldenName(each)]] : [];
      });
      for (const [got, want] of [...compared, ...whole.map((each) => [each, each] as const)]) {
        const golden = tensors.get(want);
        if (!golden) continue;
        const error = distance(values.get(got)!, golden);
        expect(error, want).toBeLessThanOrEqual(Number(metadata.tolerance));
        checked++;
      }
    },
  });
  const states = optimizer.kind === "sgd" ? 1 : 2;
  expect(checked).toBe(names.length * (3 + 1 + states) + 2);
});

const wave = (shape: readonly number[], salt: number): Numbers => ({
  shape,
  data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => {
    return Math.sin(i * 0.37 + salt) * Math.cos(i * i + salt);
  }),
});

test.each([
  adam("adamw", 0.01),
  adam("adam", 0.01),
  sgd(true, 0.01),
  { ...sgd(false, 0), momentum: 0 } as OptimizerSpec,
])("rows give the bits of plain nodes: %o", async (optimizer) => {
  // Rows of its own, one with a number of elements that nothing near a row divides, and small ones.
  const shapes = { matrix: [320, 384], prime: [70001], bias: [384], scale: [], filter: [96, 1, 4] };
  const parameters = Object.entries(shapes).map(([name, shape]) => {
    return { name, shape, group: name === "bias" ? "one" : "two" };
  });
  const results = await Promise.all(
    (["rows", "plain"] as const).map(async (form) => {
      const request = { parameters, optimizer, clip: 1, ema: true, norms: true, form };
      const { model, inputs, outputs } = optimizerModel({ ...request, shapes: "any" });
      verify(model);
      const feeds = new Map(inputs.map(({ name, shape }, i) => [name, wave(shape as number[], i)]));
      for (const { name, role } of inputs) {
        const values = feeds.get(name)!;
        if (role === "state") feeds.set(name, { ...values, data: values.data.map(Math.abs) });
      }
      feeds.set("learning_rate", scalar(0.1)).set("step", scalar(3)).set("ema_decay", scalar(0.9));
      const made = await evaluate(model, feeds);
      for (const { name, shape } of outputs) expect(made.get(name)!.shape).toEqual(shape);
      return made;
    }),
  );
  const [rows, plain] = results as [Map<string, Numbers>, Map<string, Numbers>];
  const bits = ({ data }: Numbers) => Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const differing = [...rows].filter(([name, got]) => !bits(got).equals(bits(plain.get(name)!)));
  expect(differing.map(([name]) => name)).toEqual([]);
  expect(rows.size).toBe(plain.size);
});
