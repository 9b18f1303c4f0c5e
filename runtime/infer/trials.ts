/** Numbers that a scene fits are looked for, and kept for when its graph is asked about again. */
import type { Graph, Value } from "../../src/ir/graph.ts";
import { isStatic, type TensorType } from "../../src/ir/types.ts";
import { batchesTrial } from "./batches.ts";
import { offenders } from "./leave-out.ts";
import { probe, Refusal } from "./probe.ts";
import type { Scene } from "./scene.ts";
import {
  batchTrial,
  concrete,
  familiesOf,
  symbolsIn,
  type Trial,
  trialsFor,
  withCompounds,
} from "./symbols.ts";
import { staticSizes, type Types, tell } from "./tell.ts";

/**
 * Probes with numbers in the place of names, because derived sizes come back only then, and tells
 * from two or three sets of numbers what each size is made of. Sizes that a model refuses are
 * followed by others; where it refuses all, the names themselves are what it gets.
 */
export async function typesOf(scene: Scene): Promise<Types> {
  const symbols = symbolsIn(scene.inputs.map(({ type }) => type));
  const key = symbols.names.join();
  const under = (trial: Trial) => tell(scene, symbols, compounded(trial, scene));
  const before = fitting.get(scene.graph);
  if (before?.key === key) return under(before.trial);

  const batches = batchesTrial(symbols);
  const usual = trialsFor(symbols, staticSizes(scene));
  for (const trial of batches ? [batches, ...usual] : usual) {
    const types = await unlessRefused(scene, () => under(trial));
    if (!types) continue;
    fitting.set(scene.graph, { key, trial });
    return types;
  }

  for (const { values, sizes } of familiesOf(symbols)) {
    const accepted: number[] = [];
    for (const value of values) {
      if (await unlessRefused(scene, () => probe(scene, sizes(value, 0)))) accepted.push(value);
    }
    if (accepted.length === 0) continue;
    // Where one size is accepted alone, whatever derives from it is as good as static.
    const trial = [0, 1, 2].map((k) =>
      sizes(accepted[k] ?? accepted.at(-1)!, k),
    ) as unknown as Trial;
    const types = await unlessRefused(scene, () => under(trial));
    if (!types) continue;
    fitting.set(scene.graph, { key, trial });
    return types;
  }
  const partly = await unlessRefused(scene, () => under(batchTrial(symbols)));
  return partly ?? new Map(await probe(scene, new Map()));
}

/** With what the inputs call by an expression. */
function compounded(trial: Trial, { inputs }: Scene): Trial {
  const types = inputs.map(({ type }) => type);
  return trial.map((sizes) => withCompounds(sizes, types)) as unknown as Trial;
}

/**
 * The types of what a part of `whole` makes, at the sizes that its graph was found to fit.
 * @returns undefined where they do not settle them.
 * @throws Refusal
 */
export async function typesWithin(whole: Scene, part: Scene): Promise<Types | undefined> {
  const symbols = symbolsIn(whole.inputs.map(({ type }) => type));
  const before = fitting.get(whole.graph);
  if (before?.key !== symbols.names.join()) return undefined;
  const trial = compounded(before.trial, whole);
  const settled = part.inputs.every(({ type }) => isStatic(concrete(type, trial[0]).shape));
  return settled ? tell(part, symbols, trial) : undefined;
}

/** The sizes that a graph was found to fit. */
const fitting = new WeakMap<Graph, { readonly key: string; readonly trial: Trial }>();

/** The inputs of a graph that was asked about, with numbers that it fits in the place of names. */
export function fittingInputs(graph: Graph): ReadonlyMap<Value, TensorType> {
  const types = new Map<Value, TensorType>();
  const sizes = fitting.get(graph)?.trial[0];
  if (!sizes) return types;
  for (const value of graph.inputs) {
    const type = value.type && concrete(value.type, sizes);
    if (type && isStatic(type.shape)) types.set(value, type);
  }
  return types;
}

/** undefined where the sizes were refused; operators that are missing are another matter. */
async function unlessRefused<T>(scene: Scene, ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (cause) {
    const symbolic = scene.inputs.some(({ type }) => !isStatic(type.shape));
    const missing = (refusal: Refusal) => offenders(refusal.message, scene.graph, new Set());
    if (cause instanceof Refusal && symbolic && missing(cause).length === 0) return undefined;
    throw cause;
  }
}
