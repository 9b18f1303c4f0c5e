/** What numbers mean, as far as the types of a graph are known before it is probed. */
import type { Dim, TensorType } from "../../src/ir/types.ts";
import { evaluateDim } from "../../src/measure/index.ts";
import { divideDims, productOf } from "../../src/onnx-ops/dims.ts";
import { explain } from "./naming.ts";
import type { Measured } from "./probe.ts";
import type { Scene } from "./scene.ts";
import type { Trial } from "./symbols.ts";

export type Dictionary = ReadonlyMap<number, Dim>;

/**
 * The meaning of each number that a probe under `trial[0]` may show, from declared and earlier
 * types. Only for models whose one kind of symbol is the batch: no arithmetic turns a batch into
 * a width, so a number that is known to be one thing is not another.
 * @returns undefined where the types contradict what was measured, or each other.
 */
export function dictionaryOf(
  scene: Scene,
  trial: Trial,
  measured: ReadonlyMap<string, Measured>,
): Dictionary | undefined {
  const meanings = new Map<number, Dim>();
  const learn = ({ shape }: TensorType, seen: Measured | undefined): boolean => {
    if (shape === null || (seen && seen.shape?.length !== shape.length)) return true;
    return shape.every((dim, axis) => {
      const values = trial.map((sizes) => evaluateDim(dim, (name) => sizes.get(name)));
      const number = values[0];
      if (number === undefined) return true;
      const meaning = explain(values as number[], trial);
      const known = meanings.get(number);
      meanings.set(number, meaning);
      const agrees = seen ? seen.shape![axis] === number : true;
      return agrees && meaning !== null && (known === undefined || known === meaning);
    });
  };
  const consistent =
    scene.inputs.every(({ type }) => learn(type, undefined)) &&
    scene.outputs.every((value) => !value.type || learn(value.type, measured.get(value.name)));
  return consistent ? meanings : undefined;
}

/** The types that were measured, in words of the dictionary; undefined where a word is missing. */
export function translate(
  { graph }: Scene,
  measured: ReadonlyMap<string, Measured>,
  dictionary: Dictionary,
): Map<string, TensorType> | undefined {
  const meanings = new Map(dictionary);
  const types = new Map<string, TensorType>();
  for (const [name, { dtype, shape }] of measured) {
    const dims = shape?.map((size) => (typeof size === "number" ? meanings.get(size) : size));
    const gap = dims?.indexOf(undefined) ?? -1;
    if (dims && gap >= 0) {
      const reshape = graph.values.get(name)?.producer;
      const data = reshape?.op === "Reshape" ? reshape.inputs[0] : null;
      const from = data && (types.get(data.name) ?? data.type ?? data.initializer)?.shape;
      const size = from ? missingFactor(from, dims) : undefined;
      if (size === undefined) return undefined;
      meanings.set(shape![gap] as number, size);
      dims[gap] = size;
    }
    types.set(name, { dtype, shape: (dims as Dim[] | undefined) ?? null });
  }
  return types;
}

/** The one size that is not known of those that elements in the shape `from` were put into. */
function missingFactor(from: readonly Dim[], to: readonly (Dim | undefined)[]): Dim | undefined {
  const known = to.filter((dim) => dim !== undefined);
  if (known.length !== to.length - 1) return undefined;
  return divideDims(productOf(from), productOf(known));
}
