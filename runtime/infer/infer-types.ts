import type { Graph, Model } from "../../src/ir/graph.ts";
import { type Dim, isStatic, type TensorType } from "../../src/ir/types.ts";
import { dictionaryOf, translate } from "./dictionary.ts";
import { offenders, unknownNodes } from "./leave-out.ts";
import { explain } from "./naming.ts";
import { type Measured, probe, Refusal } from "./probe.ts";
import { type Scene, sceneOf } from "./scene.ts";
import {
  batchTrial,
  fixedTrials,
  symbolsIn,
  type Trial,
  trialsFor,
  withCompounds,
} from "./symbols.ts";

type Types = Map<string, TensorType>;

/**
 * Types of every value of a graph, by name: see `Oracle.inferTypes`.
 * @throws Refusal where no sizes make the graph fit together.
 */
export async function inferGraph(model: Model, graph: Graph = model.graph): Promise<Types> {
  const leftOut = unknownNodes(model, graph);
  for (;;) {
    const scene = sceneOf(model, graph, leftOut);
    try {
      return new Map([...borderOf(scene), ...(await typesOf(scene))]);
    } catch (cause) {
      if (!(cause instanceof Refusal)) throw cause;
      const more = offenders(cause.message, graph, leftOut).filter((node) => !leftOut.has(node));
      if (more.length === 0) throw cause;
      for (const node of more) leftOut.add(node);
    }
  }
}

/** What the graph has without making it. */
function borderOf({ graph, inputs }: Scene): Types {
  const kept = [...graph.initializers].map(({ name, initializer }) => {
    const { dtype, shape } = initializer!;
    return [name, { dtype, shape }] as const;
  });
  return new Map([...kept, ...inputs.map(({ value, type }) => [value.name, type] as const)]);
}

/**
 * Probes with numbers in the place of names, because derived sizes come back only then, and tells
 * from two or three sets of numbers what each size is made of. Sizes that a model refuses are
 * followed by others; where it refuses all, the names themselves are what it gets.
 */
async function typesOf(scene: Scene): Promise<Types> {
  const inputs = scene.inputs.map(({ type }) => type);
  const symbols = symbolsIn(inputs);
  const compounded = (trial: Trial) =>
    trial.map((sizes) => withCompounds(sizes, inputs)) as unknown as Trial;
  const onlyBatch = symbols.names.every(symbols.leading);

  for (const plain of trialsFor(symbols, staticSizes(scene))) {
    const trial = compounded(plain);
    const types = await unlessRefused(scene, async () => {
      const measured = await probe(scene, trial[0]);
      if (symbols.names.length === 0) return new Map(measured);
      const meanings = onlyBatch ? dictionaryOf(scene, trial, measured) : undefined;
      return (meanings && translate(measured, meanings)) ?? compare(scene, trial, measured);
    });
    if (types) return types;
  }

  const accepted: Trial[] = [];
  for (const trial of onlyBatch ? [] : fixedTrials(symbols).map(compounded)) {
    if (await unlessRefused(scene, () => probe(scene, trial[0]))) accepted.push(trial);
  }
  const rest = accepted.length === 1 ? accepted : [batchTrial(symbols)];
  for (const trial of rest) {
    const run = async () => compare(scene, trial, await probe(scene, trial[0]));
    const types = await unlessRefused(scene, run);
    if (types) return types;
  }
  return new Map(await probe(scene, new Map()));
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

/** Every size explained by how it changes between probes; equal unexplained ones share a name. */
async function compare(
  scene: Scene,
  trial: Trial,
  first: ReadonlyMap<string, Measured>,
): Promise<Types> {
  const runs = [first, await probe(scene, trial[1])];
  const meanings = new Map<string, Dim>();
  const meaningOf = (values: readonly number[]): Dim => {
    const key = values.join();
    if (!meanings.has(key)) meanings.set(key, explain(values, trial.slice(0, values.length)));
    return meanings.get(key)!;
  };
  const tuples = () => [...first.keys()].flatMap((name) => sizesOf(name, runs) ?? []);
  const open = tuples().some((sizes) => sizes.every(isNumber) && meaningOf(sizes) === null);
  if (open) runs.push(await probe(scene, trial[2]));

  const inputs = scene.inputs.flatMap(({ type }) => type.shape ?? []);
  let nameless = inputs.filter((dim) => /^\?\d+$/.test(String(dim))).length;
  const types: Types = new Map();
  for (const [name, { dtype }] of first) {
    const shape = sizesOf(name, runs)?.map((values) => {
      if (!values.every(isNumber)) return values.every((v) => v === values[0]) ? values[0]! : null;
      const meaning = meaningOf(values);
      if (meaning === null) meanings.set(values.join(), `?${++nameless}`);
      return meanings.get(values.join())!;
    });
    types.set(name, { dtype, shape: shape ?? null });
  }
  return types;
}

/** What each axis of a value measured in every run; undefined where its rank is not one. */
function sizesOf(
  name: string,
  runs: readonly ReadonlyMap<string, Measured>[],
): readonly (readonly Dim[])[] | undefined {
  const shapes = runs.map((run) => run.get(name)?.shape);
  const first = shapes[0];
  if (!first || shapes.some((shape) => shape?.length !== first.length)) return undefined;
  return first.map((_, axis) => shapes.map((shape) => shape![axis]!));
}

function isNumber(dim: Dim): dim is number {
  return typeof dim === "number";
}

/** Sizes that occur in the model whatever its inputs are. */
function staticSizes({ graph, inputs }: Scene): Set<number> {
  const shapes = [
    ...inputs.map(({ type }) => type.shape ?? []),
    ...[...graph.initializers].map(({ initializer }) => initializer!.shape),
  ];
  return new Set(shapes.flat().filter(isNumber));
}
