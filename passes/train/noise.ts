/**
 * Forward processes of diffusion: x_t = sqrt(ac_t) x_0 + sqrt(1 - ac_t) noise, their tables in
 * float64, and what a training graph reads of them.
 */
import type { Wire } from "../../src/onnx-ops/wire.ts";
import type { NoiseSpec } from "./recipe.ts";

/** By timestep; names and definitions are those of the released code of DiT. */
export interface NoiseTables {
  readonly betas: Float64Array;
  readonly alphasCumprod: Float64Array;
  readonly alphasCumprodPrev: Float64Array;
  readonly posteriorVariance: Float64Array;
  /** The first, which would be infinite, as the second. */
  readonly posteriorLogVariance: Float64Array;
  readonly posteriorMeanCoef1: Float64Array;
  readonly posteriorMeanCoef2: Float64Array;
}

/** The largest beta of a cosine schedule, whose last alphas would be zero. */
const largest = 0.999;

export function noiseTables(spec: NoiseSpec): NoiseTables {
  const betas = spec.kind === "linear" ? linearBetas(spec) : cosineBetas(spec.steps);
  let product = 1;
  const ac = betas.map((beta) => (product *= 1 - beta));
  const prev = ac.map((_, t) => (t === 0 ? 1 : ac[t - 1]!));
  const variance = betas.map((beta, t) => (beta * (1 - prev[t]!)) / (1 - ac[t]!));
  return {
    betas,
    alphasCumprod: ac,
    alphasCumprodPrev: prev,
    posteriorVariance: variance,
    posteriorLogVariance: variance.map((_, t) => Math.log(variance[Math.max(t, 1)]!)),
    posteriorMeanCoef1: betas.map((beta, t) => (beta * Math.sqrt(prev[t]!)) / (1 - ac[t]!)),
    posteriorMeanCoef2: betas.map(
      (beta, t) => ((1 - prev[t]!) * Math.sqrt(1 - beta)) / (1 - ac[t]!),
    ),
  };
}

function linearBetas({ from, to, steps }: Extract<NoiseSpec, { kind: "linear" }>): Float64Array {
  return Float64Array.from({ length: steps }, (_, t) => {
    return steps === 1 ? from : from + (t * (to - from)) / (steps - 1);
  });
}

/** Nichol and Dhariwal 2021: ac follows a squared cosine of time. */
function cosineBetas(steps: number): Float64Array {
  const ac = (t: number) => Math.cos(((t / steps + 0.008) / 1.008) * (Math.PI / 2)) ** 2;
  return Float64Array.from({ length: steps }, (_, t) => Math.min(1 - ac(t + 1) / ac(t), largest));
}

/**
 * Entries of a table, one for each sample, to multiply tensors of `rank` with.
 * @param t original timesteps, whole numbers of any type: [batch] or [].
 */
export function entriesAt(table: Float64Array, t: Wire, rank: number): Wire {
  const { grower } = t;
  const stored = grower.constant("float32", [table.length], table);
  const entries = grower.one("Gather", [stored, t.cast("int64")], { attributes: { axis: 0 } });
  return entries.unsqueeze(axesBehind(entries.rank, rank));
}

/** A sample noised to timestep `t`. */
export function qSample(spec: NoiseSpec, x0: Wire, t: Wire, noise: Wire): Wire {
  const { alphasCumprod } = noiseTables(spec);
  const signal = entriesAt(alphasCumprod.map(Math.sqrt), t, x0.rank);
  const spread = entriesAt(
    alphasCumprod.map((ac) => Math.sqrt(1 - ac)),
    t,
    x0.rank,
  );
  return x0.mul(signal).add(noise.mul(spread));
}

/** A sample on the straight line to the noise, at the share `t` of it: rectified flow. */
export function flowSample(x0: Wire, t: Wire, noise: Wire): Wire {
  const share = t.unsqueeze(axesBehind(t.rank, x0.rank));
  return x0.mul(share.from(1)).add(noise.mul(share));
}

function axesBehind(from: number, rank: number): number[] {
  return from === 0 ? [] : Array.from({ length: rank - from }, (_, i) => from + i);
}
