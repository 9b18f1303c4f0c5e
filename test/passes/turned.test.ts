/**
 * Scores and values that are computed transposed, a norm, a factor and a rotation one after the other,
 * heads that share keys, keys that are rotated in another layout than queries where sizes do not tell
 * which, biases behind a split, what is subtracted from all scores, masks that are subtracted or stand behind the softmax, weights of three
 * axes: whatever is taken for a plain attention must be one.
 */
import * as ort from "onnxruntime-node";
import { expect, test } from "vitest";
import { inferTypes } from "../../passes/infer-types.ts";
import { createOracle } from "../../runtime/index.ts";
import type { AttentionHost, NormHost } from "../../src/anatomy/anatomy.ts";
import { anatomize } from "../../src/anatomy/index.ts";
import { Patch } from "../../src/onnx-ops/patch.ts";
import { filled } from "../anatomy/models.ts";
import { distance, editModel, run } from "./workbench.ts";

test.each([
  ["attn-turned-ts17", 6],
  ["attn-rotations-ts17", 4],
  ["attn-latebias-ts17-sim", 6],
  ["attn-submask-ts17", 6],
  ["attn-gatedmask-ts17", 6],
  ["attn-gatedmask-dynamo20", 6],
  ["attn-jax23", 6],
  ["attn-axes-ts17", 6],
])("mha does what the attentions of %s did", async (name, tokens) => {
  const model = await filled(name);
  const x = Float32Array.from({ length: 2 * tokens * 5 }, (_, i) => Math.sin(i * i));
  const given = { x: new ort.Tensor("float32", x, [2, tokens, 5]) };
  const before = Object.values(await run(model, given))[0]!;
  const { report } = await editModel(model, "replace blocks[all].attn with mha");
  expect([report.diagnostics, report.keepsFunction]).toEqual([[], true]);
  const { difference, scale } = distance(before, Object.values(await run(model, given))[0]!);
  expect(difference / scale).toBeLessThan(2e-6);
});

/** As eager implementations guard an exponential against overflow: of what is masked, too. */
test.each([
  [-1, []],
  [-2, ["its scores go through Sub"]],
])("scores less the greatest along axis %i", async (axis, reasons) => {
  const model = await filled("attn-submask-ts17");
  const patch = new Patch(model.graph, null, "");
  for (const softmax of model.graph.nodes.filter(({ opType }) => opType === "Softmax")) {
    const scores = softmax.inputs[0]!;
    const most = patch.one("ReduceMax", [scores], { attributes: { axes: [axis], keepdims: 1 } });
    patch.rewire(softmax, 0, patch.one("Sub", [scores, most]));
  }
  patch.commit();
  await inferTypes(model, createOracle());
  const hosts = anatomize(model).stacks.flatMap(({ blocks }) =>
    blocks.map(({ parts }) => parts.get("attn")!.host as AttentionHost),
  );
  expect(new Set(hosts.flatMap(({ opaque }) => opaque ?? []))).toEqual(new Set(reasons));
  if (axis !== -1) return;
  const x = Float32Array.from({ length: 2 * 6 * 5 }, (_, i) => Math.sin(i * i));
  const given = { x: new ort.Tensor("float32", x, [2, 6, 5]) };
  const before = Object.values(await run(model, given))[0]!;
  const { report } = await editModel(model, "replace blocks[all].attn with mha");
  expect([report.diagnostics, report.keepsFunction]).toEqual([[], true]);
  const { difference, scale } = distance(before, Object.values(await run(model, given))[0]!);
  expect(difference / scale).toBeLessThan(2e-6);
});

test("copies start as the identity where projections are Einsums", async () => {
  const { report } = await editModel(await filled("attn-axes-ts17"), "repeat blocks[all] times 2");
  expect([report.diagnostics, report.keepsFunction]).toEqual([[], true]);
});

test.each([
  ["around an Einsum whose equation has an ellipsis", "attn-jax23", [2, 6, 5], 3],
  ["whose queries, keys and values lie head by head", "attn-interleaved-ts17", [2, 9, 12], 6],
] as const)("heads grow %s", async (_, name, shape, heads) => {
  const model = await filled(name);
  const size = shape.reduce((a, b) => a * b, 1);
  const x = Float32Array.from({ length: size }, (_, i) => Math.sin(i * i));
  const given = { [model.graph.inputs[0]!.name]: new ort.Tensor("float32", x, shape) };
  const before = Object.values(await run(model, given))[0]!;
  await editModel(model, `resize blocks[1].attn to heads ${heads}`);
  const { difference, scale } = distance(before, Object.values(await run(model, given))[0]!);
  expect(difference / scale).toBeLessThan(2e-6);
});

test("what keeps a variance from being negative is no epsilon", async () => {
  const { stacks } = anatomize(await filled("attn-jax23"));
  const norms = stacks[0]!.blocks.map(({ parts }) => parts.get("norm1")!.host as NormHost);
  expect(norms.map(({ epsilon }) => epsilon)).toEqual([Math.fround(1e-6), Math.fround(1e-6)]);
});
