/** The forward process inside of a training graph: it is given clean samples and noise. */
import { fail } from "../../src/diag/diagnostic.ts";
import type { Model, Value } from "../../src/ir/graph.ts";
import { declareInput } from "../../src/onnx-ops/interface.ts";
import type { Wire } from "../../src/onnx-ops/wire.ts";
import { growerOf } from "./grower-of.ts";
import { flowSample, qSample } from "./noise.ts";
import type { NoiseSpec, Recipe } from "./recipe.ts";
import { type Roles, rolesOf } from "./roles.ts";
import type { DataInput } from "./training-graph.ts";

/** DDPM's forward process, where a recipe does not say another. */
export const usualNoise: NoiseSpec = { kind: "linear", from: 1e-4, to: 2e-2, steps: 1000 };

export interface Denoiser {
  readonly roles: Roles;
  readonly spec: NoiseSpec;
  /** Clean samples, as fed. */
  readonly clean: Value;
  readonly noise: Value;
  readonly time: Value;
  /** What the model reads. */
  readonly noised: Value;
}

/** How samples become what the model reads: x_t of diffusion, or the straight line of a flow. */
export type Process = "diffusion" | "flow";

/** The inputs of a model as they are fed. */
export function dataInputs({ graph }: Model, fed: ReadonlySet<Value> = new Set()): DataInput[] {
  return graph.inputs
    .filter((value) => !value.initializer && !fed.has(value))
    .map(({ name, type }) => ({ name, dtype: type!.dtype, shape: type!.shape ?? [] }));
}

/** Whether the model denoises: it has a sample and a time. */
export function denoises({ graph }: Model, recipe: Recipe): boolean {
  const { sample, time } = rolesOf(graph, recipe.inputs);
  return sample !== null && time !== null;
}

/**
 * Whoever read the sample reads it noised.
 * @throws GraftError `no-role` where the model has no sample or no time.
 */
export function noiseSample(model: Model, recipe: Recipe, process: Process): Denoiser {
  const roles = rolesOf(model.graph, recipe.inputs);
  const { sample, time } = roles;
  const missing = !sample ? "sample" : !time ? "time" : null;
  if (!sample || !time) {
    const hint = `name it: \`inputs: {${missing}: "..."}\``;
    throw fail("no-role", { objective: process, role: missing! }, { at: recipe.span, hint });
  }
  const spec = recipe.noise ?? usualNoise;
  const noise = declareInput(model, "noise", sample.type!);
  const grower = growerOf(model, "noise");
  const [x, t, e] = [sample, time, noise].map((value) => grower.wire(value)) as [Wire, Wire, Wire];
  const noised = process === "flow" ? flowSample(x, share(t, spec), e) : qSample(spec, x, t, e);
  grower.patch.shunt(sample, noised.value);
  grower.patch.commit();
  return { roles, spec, clean: sample, noise, time, noised: noised.value };
}

/** Of the way from sample to noise: a time runs from 0 to the steps of the process. */
function share(t: Wire, { steps }: NoiseSpec): Wire {
  return t.cast("float32").div(steps);
}
