import type { Graph, Model, Node, Value } from "../../src/ir/graph.ts";
import { type Dim, isStatic, type TensorType } from "../../src/ir/types.ts";
import { evaluateDim } from "../../src/measure/index.ts";
import { batchesTrial, readOff } from "./batches.ts";
import { offenders, unknownNodes } from "./leave-out.ts";
import { explain } from "./naming.ts";
import { type Measured, probe, Refusal } from "./probe.ts";
import { type Scene, sceneOf } from "./scene.ts";
import {
  batchTrial,
  concrete,
  familiesOf,
  symbolsIn,
  type Trial,
  trialsFor,
  withCompounds,
} from "./symbols.ts";

type Types = Map<string, TensorType>;

/**
 * Types of every value of a graph, by name: see `Oracle.inferTypes`. A graph that is asked about
 * again, after edits, must fit the sizes that it fitted before.
 * @throws Refusal where no sizes make the graph fit together.
 */
export async function inferGraph(model: Model, graph: Graph = model.graph): Promise<Types> {
  const leftOut = unknownNodes(model, graph);
  for (;;) {
    const scene = sceneOf(model, graph, leftOut);
    const before = leftOut.size;
    try {
      const types = new Map([...borderOf(scene), ...(await typesOf(scene))]);
      for (const node of blindSpots(scene, types)) leftOut.add(node);
      if (leftOut.size === before) return types;
    } catch (cause) {
      if (!(cause instanceof Refusal)) throw cause;
      for (const node of offenders(cause.message, graph, leftOut)) leftOut.add(node);
      if (leftOut.size === before) throw cause;
    }
  }
}

/**
 * Nodes whose outputs the file declares and ONNX Runtime cannot tell, though it knows what they are
 * made from: elements of sequences, results of loops. Left out, they no longer hide what follows.
 */
function blindSpots({ nodes, graph, inputs }: Scene, types: Types): readonly Node[] {
  const { names } = symbolsIn(inputs.map(({ type }) => type));
  const isKnown = (type: TensorType | null | undefined): boolean => {
    const sizeOf = (name: string) => (names.includes(name) ? 1 : undefined);
    return type?.shape?.every((dim) => evaluateDim(dim, sizeOf) !== undefined) ?? false;
  };
  const isSeen = (value: Value | null) => !value || isKnown(types.get(value.name));
  return nodes.filter(
    ({ inputs: reads, outputs }) =>
      !outputs.every(isSeen) &&
      outputs.every((value) => !value || isKnown(value.type)) &&
      reads.every((value) => isSeen(value) || !types.has(value!.name)) &&
      outputs.some((value) => value && !graph.outputs.includes(value)),
  );
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
  const key = symbols.names.join();
  const batches = batchesTrial(symbols);
  const under = async (trial: Trial): Promise<Types> => {
    const measured = await probe(scene, trial[0]);
    if (symbols.names.length === 0) return new Map(measured);
    const read = batches ? readOff(measured, trial[0], staticSizes(scene)) : undefined;
    return read ?? compare(scene, trial, measured);
  };

  const before = fitting.get(scene.graph);
  if (before?.key === key) return under(compounded(before.trial));
  const usual = trialsFor(symbols, staticSizes(scene));
  for (const trial of batches ? [batches, ...usual] : usual) {
    const types = await unlessRefused(scene, () => under(compounded(trial)));
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
    const types = await unlessRefused(scene, () => under(compounded(trial)));
    if (!types) continue;
    fitting.set(scene.graph, { key, trial });
    return types;
  }
  const partly = await unlessRefused(scene, () => under(compounded(batchTrial(symbols))));
  return partly ?? new Map(await probe(scene, new Map()));
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
