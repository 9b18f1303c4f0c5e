/** Random inputs of the types that a model declares. */
import type { Graph, Value } from "../../src/ir/graph.ts";
import { dtypes, elements } from "../../src/ir/types.ts";
import { evaluateDim } from "../../src/measure/index.ts";
import { symbolsIn } from "../infer/symbols.ts";
import { type Tensor, type Tensors, tensorOf, valuesOf } from "../session/tensor.ts";
import { roundingUnit } from "./difference.ts";
import { type InputUse, useOf } from "./input-uses.ts";
import { type Random, randomFor } from "./random.ts";

/** What the first axis of inputs gets where it is symbolic. */
const batch = 2;

/** What every other symbolic axis gets, likeliest and smallest first. */
const sizes = [16, 32, 64, 8, 77, 128, 224, 28, 256, 196, 257, 384, 512, 577, 768, 1024, 2, 1];

/** How whole numbers without a known table are drawn. */
type Draw = "random" | "ones" | "zeros";

/**
 * Sets of inputs to try on a model until one runs. The same seed gives the same numbers. Symbolic
 * sizes are equal but for the batch; failing that one is the sum of the others, as that of a mask
 * over past and present tokens is.
 */
export function* candidateFeeds(graph: Graph, seed: number): Generator<Tensors> {
  const inputs = graph.inputs.filter((input) => !input.initializer);
  const types = inputs.flatMap(({ type }) => type ?? []);
  const { names, leading } = symbolsIn(types);
  const inner = names.filter((name) => !leading(name));
  const choices = (inner.length > 0 ? sizes : sizes.slice(0, 1)).map((size) => [size, ""] as const);
  const sums = inner.length > 1 ? inner.map((name) => [sizes[0]!, name] as const) : [];
  for (const draw of ["random", "ones", "zeros"] as const) {
    for (const [size, sum] of [...choices, ...sums]) {
      yield feedsOf(inputs, seed, draw, (name) => {
        if (!names.includes(name)) return undefined;
        if (leading(name)) return batch;
        return name === sum ? size * (inner.length - 1) : size;
      });
    }
  }
}

function feedsOf(
  inputs: readonly Value[],
  seed: number,
  draw: Draw,
  sizeOf: (name: string) => number | undefined,
): Tensors {
  return new Map(
    inputs.map((input): [string, Tensor] => {
      const { name, type } = input;
      if (!type?.shape) throw new Error(`input ${name} has no declared type`);
      const shape = type.shape.map((dim, axis) => {
        return evaluateDim(dim, sizeOf) ?? (axis === 0 ? batch : sizes[0]!);
      });
      const random = randomFor(seed, name);
      const value = dtypes[type.dtype].float
        ? realOf(shape.length, random)
        : wholeOf(useOf(input), draw, random, shape.at(-1) ?? 1);
      const values = Float64Array.from({ length: elements(shape) }, (_, i) => value(i));
      return [name, tensorOf(type.dtype, shape, values)];
    }),
  );
}

/** Images and states are normal; what has no axis but the batch is a time or a share of one. */
function realOf(rank: number, random: Random): () => number {
  return rank <= 1 ? random.uniform : random.normal;
}

function wholeOf(use: InputUse, draw: Draw, random: Random, row: number): (i: number) => number {
  if (use.kind === "index") return () => random.below(use.limit);
  if (draw !== "random") return () => (draw === "ones" ? 1 : 0);
  if (use.kind === "scale") return () => random.below(1000);
  // The first place of a row stays on: a row that is all off has no softmax.
  return (i) => (i % row === 0 || random.uniform() < 0.75 ? 1 : 0);
}

/** The same inputs with every float off by up to one unit in its last place. */
export function perturbed(feeds: Tensors, seed: number): Tensors {
  return new Map(
    [...feeds].map(([name, tensor]): [string, Tensor] => {
      const unit = roundingUnit(tensor.dtype);
      if (unit === 0) return [name, tensor];
      const random = randomFor(seed, `${name} perturbed`);
      const values = valuesOf(tensor).map((x) => x * (1 + unit * (2 * random.uniform() - 1)));
      return [name, tensorOf(tensor.dtype, tensor.shape, values)];
    }),
  );
}
