/** What stage 2 minimises: scalars, the mean over the batch, in float32. */
import { fail } from "../../src/diag/diagnostic.ts";
import { showShape } from "../../src/ir/types.ts";
import type { Wire } from "../../src/onnx-ops/wire.ts";
import { lossOf } from "./losses.ts";
import { entriesAt, type NoiseTables, noiseTables } from "./noise.ts";
import type { NoiseSpec } from "./recipe.ts";

export interface DiffusionTerms {
  /** What the model says of the noised sample: the noise, and behind it a variance if it learns one. */
  readonly out: Wire;
  readonly x0: Wire;
  readonly noise: Wire;
  /** Original timesteps, [batch] or []. */
  readonly t: Wire;
  readonly spec: NoiseSpec;
}

/**
 * The mean squared error of the noise, and for models that learn their variance the variational
 * bound at full weight, in bits per dimension; in the bound the noise counts as given.
 */
export function diffusionLoss({ out, x0, noise, t, spec }: DiffusionTerms): Wire {
  const prediction = out.cast("float32");
  const [eps, variance] = splitVariance(prediction, x0);
  const error = noise.cast("float32").sub(eps);
  const mse = error.square().mean(undefined, false);
  if (!variance) return mse;
  const bound = boundOf({ error: error.detach(), variance, x0: x0.cast("float32"), t, spec });
  return mse.add(bound);
}

/** Rectified flow: the velocity from sample to noise; a variance behind it learns nothing. */
export function flowLoss(out: Wire, x0: Wire, noise: Wire): Wire {
  const [velocity] = splitVariance(out, x0);
  return lossOf({ kind: "l2" }, velocity, noise.sub(x0));
}

/** @throws GraftError `output-is-no-noise` where the output is neither as large as the sample nor twice. */
function splitVariance(out: Wire, { shape }: Wire): [prediction: Wire, variance: Wire | null] {
  const differs = out.shape.map((dim, axis) => (dim === shape[axis] ? -1 : axis));
  const axes = differs.filter((axis) => axis >= 0);
  if (out.rank === shape.length && axes.length === 0) return [out, null];
  const [axis] = axes as [number];
  const [wide, narrow] = [out.shape[axis], shape[axis]];
  const fits = out.rank === shape.length && axes.length === 1 && typeof narrow === "number";
  if (!fits || wide !== 2 * narrow) {
    const shapes = { output: showShape(out.shape), sample: showShape(shape) };
    throw fail("output-is-no-noise", shapes, {
      hint: "diffusion and flow need a model that predicts the noise, or the velocity; `objective: output` trains any other",
    });
  }
  const [eps, variance] = out.split(axis, [narrow, narrow]);
  return [eps!, variance!];
}

interface BoundTerms extends Pick<DiffusionTerms, "x0" | "t" | "spec"> {
  /** noise - eps, whose gradient is cut. */
  readonly error: Wire;
  /** From -1, the posterior's variance, to 1, beta. */
  readonly variance: Wire;
}

/** KL of the posteriors, and the likelihood of the decoder at t = 0; in bits, the batch mean. */
function boundOf(terms: BoundTerms): Wire {
  const tables = noiseTables(terms.spec);
  const share = terms.variance.add(1).mul(0.5);
  const first = terms.t.cast("int64").equal(0);
  const each = Array.from({ length: terms.x0.rank - 1 }, (_, i) => i + 1);
  const kl = divergence(terms, share, tables).mean(each, false);
  const likelihood = decoderLikelihood(terms, share, tables).mean(each, false);
  const bound = kl.grower.where(first, likelihood.neg(), kl);
  return bound.mean(undefined, false).div(Math.LN2);
}

/**
 * With d = log variance - log posterior variance, KL = (d - 1 + exp(-d) (1 + w error^2)) / 2: the
 * posterior means differ by c1 sqrt(1/ac - 1) error, and w is its square over the posterior variance.
 */
function divergence({ error, t }: BoundTerms, share: Wire, tables: NoiseTables): Wire {
  const { posteriorLogVariance, posteriorMeanCoef1 } = tables;
  const weights = spread(tables).map((s, i) => {
    return (posteriorMeanCoef1[i]! * s) ** 2 / Math.exp(posteriorLogVariance[i]!);
  });
  const d = share.mul(entriesAt(span(tables), t, error.rank));
  const apart = error
    .square()
    .mul(entriesAt(weights, t, error.rank))
    .add(1);
  return d.neg().exp().mul(apart).add(d).sub(1).mul(0.5);
}

/** Half a step of 8-bit images in [-1, 1], where the outer bins are open. */
const half = 1 / 255;
const edge = 0.999;
const leastLikelihood = 1e-12;
/** How near the logits of a bin's ends may come. */
const closest = 1e-6;

/** Log-likelihood of a discretised Gaussian around the sample that step 0 predicts. */
function decoderLikelihood({ error, x0 }: BoundTerms, share: Wire, tables: NoiseTables): Wire {
  const logVariance = share.mul(span(tables)[0]!).add(tables.posteriorLogVariance[0]!);
  const precision = logVariance.mul(-0.5).exp();
  const offset = error.mul(-spread(tables)[0]!);
  const [upper, lower] = [offset.add(half), offset.sub(half)].map((x) => logit(x.mul(precision)));
  const { grower } = error;
  const softplus = (x: Wire) => grower.one("Softplus", [x]);
  // log s(a), log s(-b) and log (s(a) - s(b)), none of which cancels in float32.
  const [below, above] = [softplus(upper!.neg()).neg(), softplus(lower!).neg()];
  const apart = lower!.sub(upper!).min(-closest).exp().from(1).log();
  const inside = grower.where(x0.greater(edge), above, below.add(above).add(apart));
  return grower.where(x0.less(-edge), below, inside).max(Math.log(leastLikelihood));
}

/** Of the approximation of the normal distribution that DiT is trained with. */
function logit(x: Wire): Wire {
  const cubic = x.square().mul(x).mul(0.044715).add(x);
  return cubic.mul(2 * Math.sqrt(2 / Math.PI));
}

/** log beta - log posterior variance: what a learned variance moves in. */
function span({ betas, posteriorLogVariance }: NoiseTables): Float64Array {
  return betas.map((beta, t) => Math.log(beta) - posteriorLogVariance[t]!);
}

/** sqrt(1/ac - 1): what an error of the noise makes of the predicted sample. */
function spread({ alphasCumprod }: NoiseTables): Float64Array {
  return alphasCumprod.map((ac) => Math.sqrt(1 / ac - 1));
}
