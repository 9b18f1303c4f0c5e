/** What each size of a scene is made of, told from numbers that it was probed with. */
import type { Dim, TensorType } from "../../src/ir/types.ts";
import { batchesTrial, readOff } from "./batches.ts";
import { explain } from "./naming.ts";
import { type Measured, probe } from "./probe.ts";
import type { Scene } from "./scene.ts";
import type { Symbols, Trial } from "./symbols.ts";

export type Types = Map<string, TensorType>;

/**
 * The types of what the scene makes, by name, in terms of `symbols`, which `trial` has numbers for.
 * @throws Refusal where it does not fit them.
 */
export async function tell(scene: Scene, symbols: Symbols, trial: Trial): Promise<Types> {
  const measured = await probe(scene, trial[0]);
  if (symbols.names.length === 0) return new Map(measured);
  const read = batchesTrial(symbols) && readOff(measured, trial[0], staticSizes(scene));
  return read ?? compare(scene, trial, measured);
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
export function staticSizes({ graph, inputs }: Scene): Set<number> {
  const shapes = [
    ...inputs.map(({ type }) => type.shape ?? []),
    ...[...graph.initializers].map(({ initializer }) => initializer!.shape),
  ];
  return new Set(shapes.flat().filter(isNumber));
}
