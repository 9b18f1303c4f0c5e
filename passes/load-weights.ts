/** `--weights FILE.safetensors[@site]`: weights of a state_dict, by name, strictly. */
import type { Anatomy } from "../src/anatomy/anatomy.ts";
import { Reporter } from "../src/diag/diagnostic.ts";
import { nearest } from "../src/diag/suggest.ts";
import { type Bytes, materialize } from "../src/ir/bytes.ts";
import type { Initializer, Model, Value } from "../src/ir/graph.ts";
import { byteLength, type DType, dtypes, elements, showShape } from "../src/ir/types.ts";
import { decodeElements, encodeElements } from "../src/onnx-ops/elements.ts";
import { Patch } from "../src/onnx-ops/patch.ts";
import { type Slot, slotsOf } from "./graph/state-dict.ts";
import type { AddedWeight } from "./session.ts";

export interface WeightFile {
  /** As the user gave it. */
  readonly path: string;
  /** `blocks[1].attn`: names are those of this part's own state_dict. */
  readonly site: string | null;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
}

export interface StoredTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: Bytes;
}

export interface LoadOptions {
  readonly anatomy: Anatomy;
  /** What the edits added: all of it has to be in the files. */
  readonly added: readonly AddedWeight[];
  /** Unused and missing names are notes instead of errors. */
  readonly partial: boolean;
}

/**
 * Gives initializers the values of the files, turned and rounded to how the model stores them, when
 * they are written. Returns warnings and notes.
 * @throws GraftError for names that mean nothing here, weights that no file has, other shapes.
 */
export function loadWeights(
  model: Model,
  files: readonly WeightFile[],
  options: LoadOptions,
): Reporter["diagnostics"] {
  const reporter = new Reporter();
  const slots = slotsOf(model, options.added);
  const patch = new Patch(model.graph, null, "");
  const loaded = new Set<Value>();
  for (const file of files) {
    const prefix = prefixOf(file, options.anatomy, reporter);
    if (prefix === null) continue;
    const unused: string[] = [];
    for (const [name, tensor] of file.tensors) {
      const slot = slots.get(`${prefix}${name}`);
      if (!slot) unused.push(name);
      else if (loadOne(slot, tensor, name, file, patch, reporter)) loaded.add(slot.value);
    }
    reportUnused(file, prefix, unused, slots, options.partial, reporter);
  }
  const missing = options.added.filter(({ name }) => {
    const value = model.graph.values.get(name);
    return value && !loaded.has(value);
  });
  if (missing.length) {
    const names = listed(missing.map(({ name }) => name));
    const code = options.partial ? "weights-missing-note" : "weights-missing";
    reporter.report(code, { count: missing.length, names }, partialHint(options.partial));
  }
  reporter.throwIfFailed();
  patch.commit();
  return reporter.diagnostics;
}

function partialHint(partial: boolean) {
  return partial ? {} : { notes: ["`--weights-partial` loads what there is"] };
}

function prefixOf(file: WeightFile, anatomy: Anatomy, reporter: Reporter): string | null {
  if (file.site === null) return "";
  const scopes = new Map<string, string>();
  for (const stack of anatomy.stacks) {
    for (const block of stack.blocks) {
      const label = `${stack.name}[${block.index}]`;
      scopes.set(label, block.scope || `${stack.name}.${block.index}`);
      for (const [name, part] of block.parts) scopes.set(`${label}.${name}`, part.scope);
    }
  }
  const scope = scopes.get(file.site.replaceAll(" ", ""));
  if (scope !== undefined) return `${scope}.`;
  const near = nearest(file.site, scopes.keys());
  const notes = near ? [`did you mean \`${near}\`?`] : [];
  reporter.report("weights-site", { path: file.path, site: file.site }, { notes });
  return null;
}

function reportUnused(
  { path }: WeightFile,
  prefix: string,
  unused: readonly string[],
  slots: ReadonlyMap<string, Slot>,
  partial: boolean,
  reporter: Reporter,
): void {
  const [first] = unused;
  if (first === undefined) return;
  const near = nearest(`${prefix}${first}`, slots.keys());
  const { notes = [] } = partialHint(partial);
  const code = partial ? "weights-unused-note" : "weights-unused";
  reporter.report(
    code,
    { path, count: unused.length, names: listed(unused) },
    { notes: near ? [`the nearest to \`${first}\` is \`${near}\``, ...notes] : notes },
  );
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, 8).map((name) => `\`${name}\``);
  return [...shown, ...(names.length > 8 ? [`${names.length - 8} more`] : [])].join(", ");
}

/** @returns false where the tensor does not fit. */
function loadOne(
  { value, layout }: Slot,
  tensor: StoredTensor,
  name: string,
  { path }: WeightFile,
  patch: Patch,
  reporter: Reporter,
): boolean {
  const target = value.initializer!;
  const turned = layout === "in,out";
  const wanted = turned ? target.shape.toReversed() : target.shape;
  if (wanted.join() !== tensor.shape.join()) {
    const [got, shape] = [showShape(tensor.shape), showShape(wanted)];
    reporter.report("weights-shape", { path, name, got, wanted: shape });
    return false;
  }
  if (dtypes[target.dtype].float !== dtypes[tensor.dtype].float) {
    reporter.report("weights-type", { path, name, got: tensor.dtype, wanted: target.dtype });
    return false;
  }
  patch.reweigh(value, target.shape, converted(tensor, target, turned));
  return true;
}

/** The same span of the file where nothing has to be turned or rounded. */
function converted(tensor: StoredTensor, target: Initializer, turned: boolean): Bytes {
  if (!turned && tensor.dtype === target.dtype) return tensor.data;
  return {
    kind: "computed",
    length: byteLength(target.dtype, elements(target.shape)),
    compute() {
      const bytes = materialize(tensor.data);
      const inOrder = turned ? transposed(bytes, tensor) : bytes;
      if (tensor.dtype === target.dtype) return inOrder;
      return encodeElements(target.dtype, decodeElements(tensor.dtype, inOrder));
    },
  };
}

function transposed(bytes: Uint8Array, { dtype, shape }: StoredTensor): Uint8Array {
  const size = byteLength(dtype, 1);
  const [rows, columns] = shape as [number, number];
  const result = new Uint8Array(bytes.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const from = (row * columns + column) * size;
      const to = (column * rows + row) * size;
      for (let i = 0; i < size; i++) result[to + i] = bytes[from + i]!;
    }
  }
  return result;
}
