/** The data against what training wants of it: every mistake is named before the first step. */
import { fail, type Reporter } from "../../../src/diag/diagnostic.ts";
import { nearest } from "../../../src/diag/suggest.ts";
import {
  type Dim,
  type DType,
  dtypes,
  elements,
  showShape,
  showType,
} from "../../../src/ir/types.ts";
import { notFinite } from "../../../src/onnx-ops/finite.ts";
import { subsetOf } from "../order.ts";
import { type Conversion, conversionOf, type Role } from "./convert.ts";
import type { Dataset, DataTensor } from "./dataset.ts";
import type { Rows } from "./rows.ts";
import { findFlaw, outside, rangeOf } from "./scan.ts";

/** A tensor that training takes from the data. */
export interface Wanted {
  readonly name: string;
  readonly dtype: DType;
  /** Of one sample. Equal names are equal sizes, null is any. */
  readonly shape: readonly Dim[];
  readonly role: Role;
  /** Labels are 0 to limit - 1. */
  readonly limit?: number | undefined;
  /** Who wants it, where that is no input of the model. */
  readonly reason?: string | undefined;
}

export interface CheckOptions {
  readonly batch: number;
  /** How much of the data: a share, a number of samples, or (undefined) all. */
  readonly amount?: { readonly share: number } | { readonly count: number } | undefined;
  readonly seed: number;
  readonly progress?: ((done: number, total: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** One tensor, ready to be fed. */
export interface Feed {
  readonly dtype: DType;
  /** Of one sample. */
  readonly shape: readonly number[];
  /** These samples, in the element type that was wanted. */
  read(samples: ArrayLike<number>): Uint8Array;
}

export interface CheckedData {
  readonly feeds: ReadonlyMap<string, Feed>;
  /** The numbers of the samples to train on, rising. */
  readonly samples: Uint32Array;
  /** Of the names of symbolic dimensions. */
  readonly sizes: ReadonlyMap<string, number>;
}

interface Match {
  readonly wanted: Wanted;
  readonly tensor: DataTensor;
  readonly conversion: Conversion;
}

/**
 * Finds the wanted tensors, and looks at every sample of them that training will see.
 * @throws GraftError with all that is wrong.
 */
export async function checkData(
  data: Dataset,
  wanted: readonly Wanted[],
  options: CheckOptions,
  reporter: Reporter,
): Promise<CheckedData> {
  const matches = wanted.flatMap((one) => reporter.attempt(() => match(data, one)) ?? []);
  const sizes = bindSizes(data, matches, reporter);
  refuseCounts(data, matches, reporter);
  reporter.throwIfFailed();
  const samples = chosen(data, matches, options);
  const feeds = await open(matches);
  await refuseFlaws(data, matches, feeds, samples, options, reporter);
  reporter.throwIfFailed();
  return { samples, sizes, feeds: new Map([...feeds].map(([name, { feed }]) => [name, feed])) };
}

function match(data: Dataset, wanted: Wanted): Match {
  const { name, dtype, shape, role, reason } = wanted;
  const { path, tensors } = data;
  const tensor = tensors.get(name);
  const type = showType({ dtype, shape });
  const reasons = reason === undefined ? [] : [reason];
  if (!tensor) {
    const near = nearest(name, tensors.keys());
    const hint = near === undefined ? null : `did you mean \`${near}\`?`;
    const notes = [`${path} has ${[...tensors.keys()].join(", ") || "no tensors"}`, ...reasons];
    throw fail("data-missing", { path, name, type }, { hint, notes });
  }
  if (tensor.kind === "unusable") throw fail("data-unusable", { path, name, why: tensor.why });
  const conversion = conversionOf(tensor.dtype, dtype, role);
  const fits =
    tensor.shape.length === shape.length &&
    tensor.shape.every((size, i) => typeof shape[i] !== "number" || shape[i] === size);
  const params = { path, name, found: showType(tensor), wanted: type };
  if (!fits) throw fail("data-shape", params, { notes: reasons });
  if (!conversion) throw fail("data-type", { ...params, found: tensor.dtype, wanted: dtype });
  if (tensor.samples === 0 || elements(tensor.shape) === 0)
    throw fail("data-empty", { path, name });
  return { wanted, tensor, conversion };
}

function bindSizes(data: Dataset, matches: readonly Match[], reporter: Reporter) {
  const bound = new Map<string, { size: number; name: string }>();
  for (const { wanted, tensor } of matches) {
    wanted.shape.forEach((dim, axis) => {
      if (typeof dim !== "string") return;
      const here = tensor.shape[axis]!;
      const before = bound.get(dim);
      if (!before) bound.set(dim, { size: here, name: wanted.name });
      if (!before || before.size === here) return;
      const params = { path: data.path, name: wanted.name, found: showShape(tensor.shape) };
      const { name: other, size: there } = before;
      reporter.report("data-size", { ...params, size: dim, here, other, there });
    });
  }
  return new Map([...bound].map(([name, { size }]) => [name, size]));
}

function refuseCounts({ path }: Dataset, matches: readonly Match[], reporter: Reporter): void {
  const [first, ...rest] = matches;
  for (const { wanted, tensor } of rest) {
    if (tensor.samples === first!.tensor.samples) continue;
    const [other, otherCount] = [first!.wanted.name, first!.tensor.samples];
    const params = { path, name: wanted.name, count: tensor.samples, other, otherCount };
    reporter.report("data-counts", params);
  }
}

function chosen({ path }: Dataset, matches: readonly Match[], options: CheckOptions): Uint32Array {
  const count = matches[0]?.tensor.samples ?? 0;
  const { amount, batch, seed } = options;
  const all = amount === undefined;
  const size = all ? count : "count" in amount ? amount.count : Math.round(amount.share * count);
  if (size > count) throw fail("data-subset", { path, wanted: size, count });
  if (size < batch) {
    const hint = "lower `batch` or `accumulate` in the recipe, or say `--batch`";
    throw fail("data-few", { count: size, batch }, { hint });
  }
  return subsetOf(seed, count, size);
}

async function open(matches: readonly Match[]) {
  const opened = new Map<string, { feed: Feed; rows: Rows }>();
  for (const { wanted, tensor, conversion } of matches) {
    const rows = await tensor.open();
    const read = (samples: ArrayLike<number>) => conversion(rows.read(samples));
    opened.set(wanted.name, { rows, feed: { dtype: wanted.dtype, shape: tensor.shape, read } });
  }
  return opened;
}

async function refuseFlaws(
  { path }: Dataset,
  matches: readonly Match[],
  opened: ReadonlyMap<string, { readonly rows: Rows }>,
  samples: Uint32Array,
  { progress, signal }: CheckOptions,
  reporter: Reporter,
): Promise<void> {
  const tasks = matches.flatMap(({ wanted, tensor }) => {
    const check = checkOf(wanted, tensor);
    return check ? [{ name: wanted.name, ...check, ...tensor, ...opened.get(wanted.name)! }] : [];
  });
  const total = tasks.reduce((sum, { rows }) => sum + rows.rowBytes * samples.length, 0);
  let done = 0;
  const advance = (bytes: number) => {
    done += bytes;
    progress?.(done, total);
  };
  for (const { name, fault, range, ...tensor } of tasks) {
    const flaw = await findFlaw(tensor, samples, fault, { advance, signal });
    if (!flaw) continue;
    if (range) reporter.report("data-range", { path, name, ...flaw, ...range });
    else reporter.report("data-not-finite", { path, name, ...flaw });
  }
}

/** What may be wrong with an element; null where nothing can. */
function checkOf({ dtype, limit }: Wanted, tensor: DataTensor) {
  const from = tensor.dtype;
  if (dtypes[from].float) return { fault: notFinite(from, dtype), range: null };
  if (from === "bool" || dtypes[dtype].float) return null;
  const [own, its] = [rangeOf(from), rangeOf(dtype)];
  const range = limit === undefined ? its : { least: 0, most: limit - 1 };
  const safe = own.least >= range.least && own.most <= range.most;
  return safe ? null : { fault: outside(from, range), range };
}

/** @param wanted of all stages that train on the data. */
export function reportUnused(
  { path, tensors }: Dataset,
  wanted: readonly Wanted[],
  reporter: Reporter,
): void {
  const unused = [...tensors.keys()].filter((name) => !wanted.some((one) => one.name === name));
  const names = unused.map((name) => `\`${name}\``).join(", ");
  if (unused.length > 0) reporter.report("data-unused", { path, names });
}
