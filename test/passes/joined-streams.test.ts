/** Two streams that are joined before their projections, and cut apart behind them. */
import * as ort from "onnxruntime-node";
import { describe, expect, test } from "vitest";
import type { Model, Value } from "../../src/ir/graph.ts";
import { Patch } from "../../src/onnx-ops/patch.ts";
import { filled } from "../anatomy/models.ts";
import { distance, editModel, reread, run } from "./workbench.ts";

/** Numbers for every input, at a batch of 2. */
function feedsOf({ graph }: Model) {
  return Object.fromEntries(
    graph.inputs.map(({ name, type }) => {
      const shape = type!.shape!.map((dim) => (typeof dim === "number" ? dim : 2));
      const size = shape.reduce((a, b) => a * b, 1);
      const data = Float32Array.from({ length: size }, (_, i) => Math.sin(i * i + size));
      const times = BigInt64Array.from(data, (x) => BigInt(Math.round(500 + 400 * x)));
      const whole = type!.dtype === "int64";
      return [name, new ort.Tensor(type!.dtype as "float32", whole ? times : data, shape)];
    }),
  );
}

/** As dynamo writes `q[:, :, 2:5] = -q[:, :, 2:5]`, at queries and keys of the first block. */
async function writeOver(model: Model): Promise<Model> {
  const { graph } = model;
  const patch = new Patch(graph, null, "");
  const normed = graph.nodes.filter(
    ({ opType, outputs }) =>
      opType === "LayerNormalization" && outputs[0]!.type?.shape?.length === 4,
  );
  expect(normed.length).toBe(6);
  for (const { outputs } of normed.slice(0, 2))
    patch.shunt(outputs[0]!, written(patch, outputs[0]!));
  patch.commit();
  return reread(model);
}

function written(patch: Patch, heads: Value): Value {
  const turned = { attributes: { perm: [2, 1, 0, 3] } };
  const tokens = patch.one("Transpose", [heads], turned);
  const some = patch.one("Gather", [tokens, patch.ints([2, 3, 4])]);
  const places = patch.one("Unsqueeze", [patch.ints([2, 3, 4]), patch.ints([1])]);
  const all = patch.one("ScatterND", [tokens, places, patch.one("Neg", [some])]);
  return patch.one("Transpose", [all], turned);
}

describe.each(["as they are", "with some tokens written over"])("joined streams, %s", (form) => {
  async function outputOf(text: string) {
    const plain = await filled("cogvideox-dynamo20");
    const model = form === "as they are" ? plain : await writeOver(plain);
    const feeds = feedsOf(model);
    const { report } = await editModel(model, text);
    return { y: (await run(model, feeds)).sample!, keeps: report.keepsFunction };
  }

  test("more heads leave the function as it was, and fewer do not", async () => {
    const before = await outputOf("");
    const { y, keeps } = await outputOf("resize blocks[all].attn to heads 6");
    expect(keeps).toBe(true);
    const { difference, scale } = distance(before.y, y);
    expect(difference / scale).toBeLessThan(2e-6);
    const fewer = await outputOf("resize blocks[all].attn to heads 3");
    expect(fewer.keeps).toBe(false);
    expect(distance(before.y, fewer.y).difference / scale).toBeGreaterThan(1e-3);
  });

  test("an operator of one stream takes the place of the MLP that both run through", async () => {
    const before = await outputOf("");
    const { y, keeps } = await outputOf("replace blocks[all].mlp with mlp");
    expect(keeps).toBe(true);
    const { difference, scale } = distance(before.y, y);
    expect(difference / scale).toBeLessThan(2e-6);
    const both = `replace blocks[0].mlp with doubled
      operator doubled for mlp {
        layer fc1 = linear(D, 4 * D) from host.fc1
        layer fc2 = linear(4 * D, D) from host.fc2
        return 2 * fc2(gelu(fc1(x), approximate: "tanh"))
      }`;
    const apart = `replace blocks[0].mlp with doubled
      operator doubled for mlp {
        layer fc1 = linear(D, 4 * D) from host.fc1
        layer fc2 = linear(4 * D, D) from host.fc2
        own = 2 * fc2(gelu(fc1(x), approximate: "tanh"))
        return own, 2 * fc2(gelu(fc1(context), approximate: "tanh"))
      }`;
    const [one, two] = [await outputOf(both), await outputOf(apart)];
    expect(distance(one.y, two.y).difference / scale).toBeLessThan(2e-6);
    expect(distance(one.y, before.y).difference / scale).toBeGreaterThan(1e-3);
  });
});
