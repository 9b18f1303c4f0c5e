/**
 * Which samples a step sees: a function of the seed and the step. Samples are laid out in epochs,
 * each a permutation of its own, one after the other without gaps, and a step takes the next `batch`
 * of them. So each epoch sees each sample once, and what is left of it at its end, fewer than a
 * batch, begins the batch that the next epoch completes.
 */
import { drawsOf } from "./noise.ts";

export interface Order {
  /** The samples of step `step`, counted from 0. */
  samplesOf(step: number): number[];
}

/** @param samples the numbers of the samples to train on, such as `subsetOf` gives. */
export function orderOf(seed: number, samples: ArrayLike<number>, batch: number): Order {
  const draws = drawsOf(seed, "order");
  const count = samples.length;
  /** Of the last epoch that was asked for, and the one before. */
  const known = new Map<number, Uint32Array>();

  function permutationOf(epoch: number): Uint32Array {
    let permutation = known.get(epoch);
    if (permutation) return permutation;
    permutation = shuffled(count, count, (out) => draws.uniforms(epoch, 0, out));
    for (const old of [...known.keys()].slice(0, -1)) known.delete(old);
    known.set(epoch, permutation);
    return permutation;
  }

  return {
    samplesOf(step) {
      return Array.from({ length: batch }, (_, i) => {
        const place = step * batch + i;
        const epoch = Math.floor(place / count);
        return samples[permutationOf(epoch)[place - epoch * count]!]!;
      });
    },
  };
}

/** `count` of the samples 0..total-1, chosen by the seed once and for all, in rising order. */
export function subsetOf(seed: number, total: number, count: number): Uint32Array {
  if (count === total) return Uint32Array.from({ length: total }, (_, i) => i);
  const draws = drawsOf(seed, "subset");
  return shuffled(total, count, (out) => draws.uniforms(0, 0, out))
    .subarray(0, count)
    .sort();
}

/**
 * The numbers 0..total-1 of which the first `count` are a random choice in random order (Fisher and
 * Yates). The error of a scaled 32-bit number is below total / 2^32 of each probability.
 */
function shuffled(
  total: number,
  count: number,
  uniforms: (out: Float64Array) => void,
): Uint32Array {
  const numbers = Uint32Array.from({ length: total }, (_, i) => i);
  const chances = new Float64Array(count);
  uniforms(chances);
  for (let i = 0; i < count; i++) {
    const other = i + Math.floor(chances[i]! * (total - i));
    const number = numbers[i]!;
    numbers[i] = numbers[other]!;
    numbers[other] = number;
  }
  return numbers;
}
