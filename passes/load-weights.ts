/** `--weights FILE.safetensors[@site]`: weights of a state_dict, by name, strictly. */
import type { Anatomy } from "../src/anatomy/anatomy.ts";
import { type Diagnostic, diagnostic, Reporter } from "../src/diag/diagnostic.ts";
import { plural } from "../src/diag/figures.ts";
import { nearest } from "../src/diag/suggest.ts";
import { materialize } from "../src/ir/bytes.ts";
import type { Initializer, Model, Value } from "../src/ir/graph.ts";
import { sameTensor } from "../src/ir/same-tensor.ts";
import { type DType, dtypes, showShape } from "../src/ir/types.ts";
import type { StoredTensor } from "../src/onnx/index.ts";
import { indicesOf, notFinite } from "../src/onnx-ops/finite.ts";
import { numbersOf } from "../src/onnx-ops/numbers.ts";
import { Patch } from "../src/onnx-ops/patch.ts";
import { asStored } from "./graph/as-stored.ts";
import { type Slot, slotsOf } from "./graph/state-dict.ts";
import { tiesOf } from "./graph/ties.ts";
import { unmerge } from "./graph/unmerge.ts";
import type { AddedWeight } from "./session.ts";

export interface WeightFile {
  /** As the user gave it. */
  readonly path: string;
  /** `blocks[1].attn`: names are those of this part's own state_dict. */
  readonly site: string | null;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
}

export interface LoadOptions {
  readonly anatomy: Anatomy;
  /** What the edits added: all of it has to be in the files. */
  readonly added: readonly AddedWeight[];
  /** Unused and missing names are notes instead of errors. */
  readonly partial: boolean;
}

export interface Loaded {
  /** Tensors of the files that the model has now. */
  readonly count: number;
  /** Warnings and notes. */
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Gives initializers the values of the files, turned and rounded to how the model stores them, when
 * they are written.
 * @throws GraftError for names that mean nothing here, weights that no file has, other shapes.
 */
export function loadWeights(
  model: Model,
  files: readonly WeightFile[],
  options: LoadOptions,
): Loaded {
  const reporter = new Reporter();
  const slots = slotsOf(model, options.added);
  const patch = new Patch(model.graph, null, "");
  const sites = new Map(options.added.map(({ name, site }) => [name, site]));
  const met: Met = new Map();
  let strayed = false;
  for (const file of files) {
    const prefix = prefixOf(file, options.anatomy, reporter);
    if (prefix === null) {
      strayed = true;
      continue;
    }
    const unused: string[] = [];
    const twice = new Map<WeightFile, string[]>();
    for (const [name, tensor] of file.tensors) {
      const meant = slots.get(`${prefix}${name}`);
      if (!meant) {
        unused.push(name);
        continue;
      }
      const slot = oriented(meant, tensor);
      const given = { file, name: `${prefix}${name}`, slot, tensor };
      const names = met.get(slot.value) ?? new Map<string, Given>();
      const before = names.get(given.name);
      if (before) twice.set(before.file, [...(twice.get(before.file) ?? []), given.name]);
      met.set(slot.value, names.set(given.name, given));
      const misfit = misfitOf(slot, tensor, { path: file.path, name }, sites);
      if (misfit) reporter.diagnostics.push(misfit);
    }
    reportTwice(file, twice, reporter);
    reportUnused(file, prefix, unused, slots, options.partial, reporter);
  }
  const missing = options.added.filter(({ name }) => {
    const value = model.graph.values.get(name);
    return value && !met.has(value);
  });
  if (missing.length && !strayed) {
    const names = listed(missing.map(({ name }) => name));
    const code = options.partial ? "weights-missing-note" : "weights-missing";
    const weights = plural(missing.length, "weight");
    reporter.report(code, { weights, names }, partialHint(options.partial));
  }
  reporter.throwIfFailed();
  for (const [value, names] of met) giveAll(value, names, { model, met, patch, reporter });
  reporter.throwIfFailed();
  patch.commit();
  const count = [...met.values()].reduce((sum, names) => sum + names.size, 0);
  return { count, diagnostics: reporter.diagnostics };
}

/** What a file has for an initializer. */
interface Given {
  readonly file: WeightFile;
  readonly name: string;
  readonly slot: Slot;
  readonly tensor: StoredTensor;
}

/** By initializer and by name: exporters merge equal tensors, which then have several. */
type Met = Map<Value, Map<string, Given>>;

interface Giving {
  readonly model: Model;
  readonly met: Met;
  readonly patch: Patch;
  readonly reporter: Reporter;
}

/** One tensor goes to the initializer; others that are given for it, to initializers of their own. */
function giveAll(value: Value, names: ReadonlyMap<string, Given>, giving: Giving): void {
  const { patch, reporter } = giving;
  const all = [...names.values()];
  const first = names.get(value.name) ?? all[0]!;
  give(first.slot, first.tensor, patch);
  follow(value, first, giving);
  const stuck = all.filter(({ slot, name, tensor }) => {
    if (tensor === first.tensor || sameTensor(tensor, first.tensor)) return false;
    return !unmerge(slot, name, tensor, patch);
  });
  if (stuck.length === 0) return;
  const params = { names: listed([first, ...stuck].map(({ name }) => name)), value: value.name };
  const notes = ["exporters merge what is equal: export the model with these weights in it"];
  reporter.report("weights-contradict", params, { notes });
}

/** A head that shares the table of embeddings gets the table's new values, as in PyTorch. */
function follow(table: Value, given: Given, { model, met, patch, reporter }: Giving): void {
  const { file, name, tensor } = given;
  for (const { value, turned } of tiesOf(model, table)) {
    if (met.has(value)) continue;
    give({ value, layout: turned ? "in,out" : null }, tensor, patch);
    reporter.report("weights-tied", { path: file.path, name, value: value.name });
  }
}

/** What PyTorch itself keeps as [in, out] (`x @ self.w`) is not turned. */
function oriented(slot: Slot, { shape }: StoredTensor): Slot {
  const same = shape.join() === slot.value.initializer!.shape.join();
  return slot.kept && same ? { ...slot, layout: null } : slot;
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
      scopes.set(label, block.prefix);
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

/** Trainers put a module of their own in front of every name: `module.`, `_orig_mod.`, `model.`. */
function wrapperNote(
  names: readonly string[],
  prefix: string,
  slots: ReadonlyMap<string, Slot>,
): string[] {
  const [first = ""] = names;
  const wrapper = first.slice(0, first.indexOf(".") + 1);
  if (wrapper === "" || !names.every((name) => name.startsWith(wrapper))) return [];
  const meant = names.filter((name) => slots.has(`${prefix}${name.slice(wrapper.length)}`));
  const count = `${meant.length} of ${plural(names.length, "name")}`;
  return meant.length > 0 ? [`without \`${wrapper}\` in front, ${count} would have a meaning`] : [];
}

function reportUnused(
  { path, tensors }: WeightFile,
  prefix: string,
  unused: readonly string[],
  slots: ReadonlyMap<string, Slot>,
  partial: boolean,
  reporter: Reporter,
): void {
  const [first] = unused;
  if (first === undefined) return;
  const wrapped = wrapperNote([...tensors.keys()], prefix, slots);
  const near = wrapped.length > 0 ? undefined : nearest(`${prefix}${first}`, slots.keys());
  const nearby = near ? [`the nearest to \`${first}\` is \`${near}\``] : wrapped;
  const { notes = [] } = partialHint(partial);
  const code = partial ? "weights-unused-note" : "weights-unused";
  reporter.report(
    code,
    { path, unused: plural(unused.length, "name"), names: listed(unused) },
    { notes: [...nearby, ...notes] },
  );
}

/** The last file wins, as with `load_state_dict`; nobody should have to guess that. */
function reportTwice(
  { path }: WeightFile,
  twice: ReadonlyMap<WeightFile, readonly string[]>,
  reporter: Reporter,
): void {
  for (const [before, names] of twice) {
    const weights = plural(names.length, "weight");
    const params = { path, weights, before: before.path, names: listed(names) };
    reporter.report("weights-twice", params);
  }
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, 8).map((name) => `\`${name}\``);
  return [...shown, ...(names.length > 8 ? [`${names.length - 8} more`] : [])].join(", ");
}

/** Why a tensor cannot be what its name means; null where it can. */
function misfitOf(
  { value, layout }: Slot,
  tensor: StoredTensor,
  named: { readonly path: string; readonly name: string },
  sites: ReadonlyMap<string, string>,
): Diagnostic | null {
  const target = value.initializer!;
  const wanted = layout === "in,out" ? target.shape.toReversed() : target.shape;
  // Exporters fold an Unsqueeze of a table into it: the elements are the same.
  const sizes = (shape: readonly number[]) =>
    (layout === null ? shape.filter((dim) => dim !== 1) : shape).join();
  if (sizes(wanted) !== sizes(tensor.shape)) {
    const [got, shape] = [showShape(tensor.shape), showShape(wanted)];
    return diagnostic("weights-shape", { ...named, got, wanted: shape });
  }
  if (dtypes[target.dtype].float !== dtypes[tensor.dtype].float) {
    const types = { got: tensor.dtype, wanted: target.dtype };
    return diagnostic("weights-type", { ...named, ...types });
  }
  const flaw = flawOf(tensor, target);
  if (!flaw) return null;
  const site = sites.get(value.name);
  const notes = [`it would be \`${value.name}\`${site ? ` of ${site}` : ""}`];
  return diagnostic("weights-not-finite", { ...named, ...flaw }, { notes });
}

/**
 * The first element that is not finite, or would not be in the model's type. Where the model's own
 * values are not either (a mask that is stored), it is none.
 */
function flawOf(
  { dtype, shape, data }: StoredTensor,
  target: Initializer,
): { element: string; place: string; dtype: DType } | null {
  if (!dtypes[dtype].float || dtypes[dtype].bits < 16) return null;
  const bytes = aligned(materialize(data));
  const at = notFinite(dtype, target.dtype)(bytes);
  if (at < 0 || !allFinite(target)) return null;
  const place = `[${indicesOf(at, shape).join(", ")}]`;
  return { element: String(numbersOf(dtype, bytes)[at]), place, dtype: target.dtype };
}

function allFinite({ dtype, data }: Initializer): boolean {
  return dtypes[dtype].bits < 16 || notFinite(dtype, dtype)(aligned(materialize(data))) < 0;
}

/** Typed arrays begin at multiples of their element's size. */
function aligned(bytes: Uint8Array): Uint8Array {
  return bytes.byteOffset % 8 === 0 ? bytes : new Uint8Array(bytes);
}

function give({ value, layout }: Slot, tensor: StoredTensor, patch: Patch): void {
  const target = value.initializer!;
  patch.reweigh(value, target.shape, asStored(tensor, target, layout));
}
