/** The symbolic sizes of a model's inputs, and numbers to try in their place. */
import type { Dim, TensorType } from "../../src/ir/types.ts";
import { evaluateDim } from "../../src/measure/index.ts";
import { termsOf } from "../../src/onnx-ops/dims.ts";

/** A number for each symbolic size. */
export type Sizes = ReadonlyMap<string, number>;

export interface Symbols {
  /** In order of appearance. */
  readonly names: readonly string[];
  /** Whether a name stands for the first axis of an input and for no other. */
  readonly leading: (name: string) => boolean;
  /** Whether it is only ever the length of a vector: of timesteps, or of a shape. */
  readonly lengths: (name: string) => boolean;
  /** Whether it stands for rows or columns: axis 2 or later of an input of rank 4 and more. */
  readonly spatial: (name: string) => boolean;
}

/** The names in `types`. */
export function symbolsIn(types: readonly TensorType[]): Symbols {
  const places = new Map<string, { axis: number; rank: number }[]>();
  for (const { shape } of types) {
    shape?.forEach((dim, axis) => {
      for (const name of namesIn(dim)) {
        places.set(name, [...(places.get(name) ?? []), { axis, rank: shape.length }]);
      }
    });
  }
  return {
    names: [...places.keys()],
    leading: (name) => places.get(name)!.every(({ axis }) => axis === 0),
    lengths: (name) => places.get(name)!.every(({ rank }) => rank === 1),
    spatial: (name) => places.get(name)!.some(({ axis, rank }) => rank >= 4 && axis >= 2),
  };
}

/** `batch` and `seq` in `2*batch*ceil(seq/8)`. */
export function namesIn(dim: Dim): string[] {
  if (typeof dim !== "string") return [];
  return termsOf(dim)
    .flatMap(({ atoms }) => atoms)
    .flatMap((atom) => (isCompound(atom) ? (atom.match(/[A-Za-z_?][\w.?]*/g) ?? []) : [atom]))
    .filter((name) => name !== "ceil" && name !== "floor");
}

function isCompound(atom: string): boolean {
  return /[()/]/.test(atom);
}

/** Takes the numbers in; a name without one stays. */
export function concrete(type: TensorType, sizes: Sizes): TensorType {
  const take = (dim: Dim) => evaluateDim(dim, (name) => sizes.get(name)) ?? dim;
  return { dtype: type.dtype, shape: type.shape?.map(take) ?? null };
}

/** One way of giving numbers to names, three times with different ones. */
export type Trial = readonly [Sizes, Sizes, Sizes];

/** Where the primes of each round begin: far enough apart that a quotient by 64 changes too. */
const far = [29, 101, 211] as const;
/** For models whose position tables end early, at 77 say. No two names differ by one number in all rounds. */
const near = [5, 29, 53] as const;
/** Not in arithmetic order, or width would read as height plus something. */
const patchCounts = [2, 3, 5, 7, 4, 9, 11, 6, 8];

/**
 * Sizes that a model may accept, likeliest first. Most models accept anything; others want images
 * of so many patches, or have two names for one size, or one for the sum of others. The numbers are small, because what ONNX
 * Runtime folds it computes, and position tables end somewhere.
 * @param taken sizes that occur in the model: no prime is chosen that divides one of them.
 */
export function trialsFor(symbols: Symbols, taken: Iterable<number>): readonly Trial[] {
  const { names, leading, spatial } = symbols;
  const occupied = [...taken].filter((size) => size > 0);
  const pools = far.map((from) => primesFrom(from, names.length, occupied));
  const smallPools = near.map((from) => primesFrom(from, names.length, []));
  const trial = trialOver(names);
  /** Names that only start inputs are batches, and usually one. */
  const batch = names.findIndex(leading);
  const rest = names.findLastIndex((name) => !leading(name));
  const merged = (name: string, index: number) => (leading(name) ? batch : index);
  const patches = (multiple: number) =>
    trial((name, index, round) =>
      spatial(name)
        ? multiple * patchCounts[(3 * index + round) % patchCounts.length]!
        : pools[round]![merged(name, index)]!,
    );
  const sum = (of: string, pool: readonly (readonly number[])[]) =>
    trial((name, index, round) => {
      const others = names.flatMap((other, i) =>
        leading(other) || other === of ? [] : pool[round]![i]!,
      );
      if (name === of) return others.reduce((a, b) => a + b);
      return pool[round]![merged(name, index)]!;
    });
  const inner = names.filter((name) => !leading(name));
  if (names.length === 0) return [trial(() => 0)];
  return [
    ...(names.some(spatial) ? [patches(64), patches(224)] : []),
    ...[pools, smallPools].flatMap((pool) => [
      trial((_name, index, round) => pool[round]![index]!),
      trial((name, index, round) => pool[round]![merged(name, index)]!),
      trial((name, _index, round) => pool[round]![leading(name) ? batch : rest]!),
      ...(inner.length > 1 && inner.length < 5 ? inner.map((name) => sum(name, pool)) : []),
    ]),
  ];
}

/** Sizes to try where a model accepts few: `sizes` gives them with other batches in each round. */
export interface Family {
  readonly values: readonly number[];
  readonly sizes: (value: number, round: number) => Sizes;
}

/** Sizes that images, patches and captions come in. */
const usualSizes = [
  8, 14, 16, 20, 24, 28, 32, 48, 56, 60, 64, 77, 96, 112, 120, 128, 160, 192, 196, 197, 224, 256,
  257, 299, 300, 320, 336, 384, 448, 512, 518, 577, 640, 768, 1024, 2048,
];
/** For position tables that end at once; a few pixels would be no image, but might pass for one. */
const shortest = [7, 6, 5, 4, 3, 2];
const usualBatches = [1, 2, 3, 4, 6, 8, 16, 32];

/**
 * For models that have names for what a table of theirs, or the trace they were exported from,
 * fixes: one usual size for everything but the batch, then the batch fixed as well.
 */
export function familiesOf({ names, leading, spatial }: Symbols): readonly Family[] {
  const pools = far.map((from) => primesFrom(from, 1, usualSizes));
  const all = (batch: number, size: number) =>
    new Map(names.map((name) => [name, leading(name) ? batch : size]));
  if (names.length === 0) return [];
  if (names.every(leading)) {
    return [{ values: usualBatches, sizes: (value) => all(value, value) }];
  }
  const values = names.some(spatial) ? usualSizes : [...usualSizes, ...shortest];
  return [
    { values, sizes: (value, round) => all(pools[round]![0]!, value) },
    ...[1, 2].map((batch) => ({
      values,
      sizes: (value: number) => all(batch, value),
    })),
  ];
}

/** Numbers for the batch alone; the other names stay. */
export function batchTrial({ names, leading }: Symbols): Trial {
  const pools = far.map((from) => primesFrom(from, 1, []));
  return trialOver(names.filter(leading))((_name, _index, round) => pools[round]![0]!);
}

/** A trial of a number for each name, by its place and the round. */
export function trialOver(names: readonly string[]) {
  return (sizeOf: (name: string, index: number, round: number) => number): Trial => {
    const round = (k: number) => new Map(names.map((name, i) => [name, sizeOf(name, i, k)]));
    return [round(0), round(1), round(2)];
  };
}

/** Primes from `from` on that divide none of `occupied`. */
export function primesFrom(from: number, count: number, occupied: readonly number[]): number[] {
  const found: number[] = [];
  for (let n = from; found.length < count; n++) {
    if (isPrime(n) && !occupied.some((size) => size % n === 0)) found.push(n);
  }
  return found;
}

function isPrime(n: number): boolean {
  for (let d = 2; d * d <= n; d++) if (n % d === 0) return false;
  return n > 1;
}

/**
 * The sizes together with what the inputs call by an expression (`ceil(seq/8)`), so that it is
 * known by that name when it comes out.
 */
export function withCompounds(sizes: Sizes, types: readonly TensorType[]): Sizes {
  const all = new Map(sizes);
  for (const dim of types.flatMap(({ shape }) => shape ?? [])) {
    if (typeof dim !== "string") continue;
    for (const atom of termsOf(dim).flatMap(({ atoms }) => atoms)) {
      const value = evaluateDim(atom, (name) => sizes.get(name));
      if (isCompound(atom) && value !== undefined) all.set(atom, value);
    }
  }
  return all;
}
