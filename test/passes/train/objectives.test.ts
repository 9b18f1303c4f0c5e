import { expect, test } from "vitest";
import { flowSample, noiseTables, qSample } from "../../../passes/train/noise.ts";
import { diffusionLoss, flowLoss } from "../../../passes/train/objectives.ts";
import type { NoiseSpec } from "../../../passes/train/recipe.ts";
import { distance, type Numbers, readGolden } from "../../lower/workbench.ts";
import { evaluate, growModel, typesOf } from "./workbench.ts";

const spec: NoiseSpec = { kind: "linear", from: 1e-4, to: 2e-2, steps: 1000 };

test("the linear schedule is that of DiT", () => {
  const { tensors, metadata } = readGolden("schedule_full");
  const tables = noiseTables(spec);
  for (const [name, table] of Object.entries({
    betas: tables.betas,
    alphas_cumprod: tables.alphasCumprod,
    alphas_cumprod_prev: tables.alphasCumprodPrev,
    posterior_variance: tables.posteriorVariance,
    posterior_log_variance_clipped: tables.posteriorLogVariance,
    posterior_mean_coef1: tables.posteriorMeanCoef1,
    posterior_mean_coef2: tables.posteriorMeanCoef2,
  })) {
    const got = { shape: [table.length], data: Float32Array.from(table) };
    expect(distance(got, tensors.get(name)!), name).toBeLessThanOrEqual(Number(metadata.tolerance));
  }
});

test("the cosine schedule is that of diffusers", () => {
  const { betas } = noiseTables({ kind: "cosine", steps: 1000 });
  // DDPMScheduler(beta_schedule="squaredcos_cap_v2").betas
  const want = {
    0: 4.12842237e-5,
    1: 4.61417512e-5,
    500: 0.00315569155,
    998: 0.749999404,
    999: 0.999000013,
  };
  for (const [t, beta] of Object.entries(want)) {
    expect(Math.abs(betas[Number(t)]! / beta - 1)).toBeLessThan(1e-6);
  }
});

test.each(["int64", "float32", "float16"] as const)(
  "samples are noised at %s timesteps",
  async (dtype) => {
    const { tensors, metadata } = readGolden("q_sample");
    const model = growModel(typesOf(tensors, ["x0", "noise", "t"], { t: dtype }), (wire) => ({
      xt: qSample(spec, wire("x0"), wire("t"), wire("noise")),
    }));
    const { xt } = Object.fromEntries(await evaluate(model, tensors));
    expect(distance(xt!, tensors.get("x_t")!)).toBeLessThanOrEqual(Number(metadata.tolerance));
  },
);

/** Along the second axis. */
function channels({ shape, data }: Numbers, from: number, to: number): Numbers {
  const [batch, all, ...rest] = shape as [number, number, ...number[]];
  const size = rest.reduce((a, b) => a * b, 1);
  const parts = Array.from({ length: batch }, (_, b) =>
    data.subarray((b * all + from) * size, (b * all + to) * size),
  );
  return {
    shape: [batch, to - from, ...rest],
    data: Float32Array.from(parts.flatMap((p) => [...p])),
  };
}

test.each(["loss_eps_vb", "loss_eps_vb_t0"])("%s", async (name) => {
  const { tensors, metadata } = readGolden(name);
  const inputs = typesOf(tensors, ["model_output", "x0", "noise", "t"], { t: "int64" });
  const grow = (learned: boolean) =>
    growModel(
      inputs,
      (wire) => {
        const whole = wire("model_output");
        const out = learned ? whole : whole.slice(1, 0, 4);
        return {
          loss: diffusionLoss({ out, x0: wire("x0"), noise: wire("noise"), t: wire("t"), spec }),
        };
      },
      ["model_output"],
    );
  const outputs = await evaluate(grow(true), tensors);
  const tolerance = Number(metadata.tolerance);
  expect(distance(outputs.get("loss")!, tensors.get("loss_mean")!)).toBeLessThanOrEqual(tolerance);
  const [got, want] = [outputs.get("model_output.grad")!, tensors.get("d.model_output")!];
  for (const [from, to] of [
    [0, 4],
    [4, 8],
  ] as const) {
    const error = distance(channels(got, from, to), channels(want, from, to));
    expect(error).toBeLessThanOrEqual(tolerance);
  }
  const fixed = await evaluate(grow(false), tensors);
  const mse = tensors.get("mse")!.data;
  const mean = { shape: [], data: Float32Array.of(mse.reduce((a, b) => a + b) / mse.length) };
  expect(distance(fixed.get("loss")!, mean)).toBeLessThanOrEqual(tolerance);
});

test("rectified flow", async () => {
  const { tensors, metadata } = readGolden("flow_loss");
  const inputs = typesOf(tensors, ["pred", "x0", "noise", "t"]);
  const model = growModel(
    inputs,
    (wire) => ({
      loss: flowLoss(wire("pred"), wire("x0"), wire("noise")),
      xt: flowSample(wire("x0"), wire("t"), wire("noise")),
    }),
    ["pred"],
  );
  const outputs = await evaluate(model, tensors);
  for (const [name, golden] of [
    ["loss", "loss_mean"],
    ["xt", "x_t"],
    ["pred.grad", "d.pred"],
  ] as const) {
    const error = distance(outputs.get(name)!, tensors.get(golden)!);
    expect(error, name).toBeLessThanOrEqual(Number(metadata.tolerance));
  }
});

test("an output of another size is no noise", () => {
  const inputs = Object.fromEntries(
    Object.entries({ out: [2, 7, 4], x0: [2, 3, 4], noise: [2, 3, 4], t: [2] }).map(
      ([name, shape]) => [name, { dtype: "float32", shape }] as const,
    ),
  );
  expect(() =>
    growModel(inputs, (wire) => ({
      loss: diffusionLoss({
        out: wire("out"),
        x0: wire("x0"),
        noise: wire("noise"),
        t: wire("t"),
        spec,
      }),
    })),
  ).toThrow(/output-is-no-noise/);
});
