/**
 * Sizes of models whose only symbols are batches, told from one probe: with batches of a million, a
 * multiple of one cannot be mistaken for a width, nor a width for part of a batch.
 */
import type { Dim, TensorType } from "../../src/ir/types.ts";
import { dimOf } from "../../src/onnx-ops/dims.ts";
import type { Measured } from "./probe.ts";
import type { Sizes, Symbols, Trial } from "./symbols.ts";
import { primesFrom, trialOver } from "./symbols.ts";

/** Where the primes of each round begin. */
const far = [1_000_000, 1_100_000, 1_200_000] as const;
/** Batches are cut in two for guidance, rarely in more; what is less than this part is a width. */
const mostParts = 64;

/**
 * Undefined where a symbol stands for something else than the first axis of inputs, or for nothing
 * but lengths of vectors, which may be a shape: of a million axes.
 */
export function batchesTrial({ names, leading, lengths }: Symbols): Trial | undefined {
  const isBatch = (name: string) => leading(name) && !lengths(name);
  if (names.length === 0 || !names.every(isBatch)) return undefined;
  const pools = far.map((from) => primesFrom(from, names.length, []));
  return trialOver(names)((_name, index, round) => pools[round]![index]!);
}

/**
 * The types that were measured with such batches, in their names.
 * @param widths sizes that occur in the model whatever its inputs are.
 * @returns undefined where a size may be either, as all may where batches are small.
 */
export function readOff(
  measured: ReadonlyMap<string, Measured>,
  batches: Sizes,
  widths: ReadonlySet<number>,
): Map<string, TensorType> | undefined {
  if (Math.min(...batches.values()) < far[0]) return undefined;
  const meanings = new Map<number, Dim | undefined>();
  const meaningOf = (size: number): Dim | undefined => {
    if (!meanings.has(size)) meanings.set(size, widths.has(size) ? size : divided(size, batches));
    return meanings.get(size);
  };
  /** Values that are alike share what was measured of one. */
  const told = new Map<Measured, TensorType>();
  const types = new Map<string, TensorType>();
  for (const [name, type] of measured) {
    if (!told.has(type)) {
      const dims = type.shape?.map((size) => (typeof size === "number" ? meaningOf(size) : size));
      if (dims?.includes(undefined)) return undefined;
      told.set(type, { dtype: type.dtype, shape: (dims as Dim[] | undefined) ?? null });
    }
    types.set(name, told.get(type)!);
  }
  return types;
}

function divided(size: number, batches: Sizes): Dim | undefined {
  let factor = size;
  const atoms: string[] = [];
  for (const [name, batch] of batches) {
    for (; factor > 0 && factor % batch === 0; factor /= batch) atoms.push(name);
  }
  if (factor > Math.min(...batches.values()) / mostParts) return undefined;
  return dimOf([{ factor, atoms }]);
}
