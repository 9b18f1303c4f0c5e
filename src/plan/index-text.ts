/** What an index says before it meets a stack: numbers as written, those from the end negative. */
import type * as ast from "../../grammar/ast.ts";
import { fail } from "../diag/diagnostic.ts";
import { evaluateInteger, evaluateNumber, mismatch } from "./evaluate.ts";
import type { ArgValue } from "./plan.ts";

type Params = ReadonlyMap<string, ArgValue>;

/** One item of an index: a block, or a range with both ends. */
export interface Bounds {
  readonly from: number;
  readonly to: number | null;
  readonly by: number;
}

/** @throws GraftError for what is no whole number, a stride below 1, and ends in the wrong order. */
export function boundsOf(item: ast.IndexItem, params: Params): Bounds {
  const names = { values: params };
  const from = evaluateInteger(item.from, names, "An index");
  const to = item.to && evaluateInteger(item.to, names, "An index");
  const by = item.by ? evaluateInteger(item.by, names, "The stride") : 1;
  if (by < 1) throw fail("bad-stride", { by }, { at: item.by!.span });
  if (to !== null && from < 0 === to < 0 && from > to) throw backward(from, to, item);
  return { from, to, by };
}

export function backward(from: number, to: number, { span }: ast.IndexItem) {
  return fail("backward-range", { from, to }, { at: span });
}

/** From..to by a stride, both ends included. */
export function countUp(from: number, to: number, by: number): number[] {
  return Array.from({ length: Math.floor((to - from) / by) + 1 }, (_, i) => from + i * by);
}

/**
 * A count, or a part of all between 0 and 1.
 * @throws GraftError for what is neither.
 */
export function shareOf(share: ast.Share, params: Params): number {
  const value = evaluateNumber(share, { values: params }, "This");
  if (share.kind === "percent") {
    if (value <= 1) return value;
    throw fail("share-too-large", { share: `${value * 100}%` }, { at: share.span });
  }
  if (Number.isInteger(value) && value >= 0) return value;
  return mismatch(share, "This", "a whole number", value);
}

/** More than any stack has. */
const most = 100_000;

/**
 * The blocks that an index lists, in their order; null where that is for the model to say.
 * @throws GraftError for every mistake that needs no model to be one.
 */
export function listed(index: ast.Index, stack: string, params: Params): readonly number[] | null {
  switch (index.kind) {
    case "first":
    case "last":
    case "top":
    case "bottom":
      shareOf(index.share, params);
      return null;
    case "all":
      for (const item of index.except) boundsOf(item, params);
      return null;
    case "items":
      return listedItems(index.items, stack, params);
    default:
      return null;
  }
}

function listedItems(items: readonly ast.IndexItem[], stack: string, params: Params) {
  const all = items.map((item) => ({ item, bounds: boundsOf(item, params) }));
  const fromStart = all.every(({ bounds: { from, to } }) => from >= 0 && (to ?? from) >= 0);
  const size = all.reduce((sum, { bounds: { from, to } }) => sum + (to ?? from) - from + 1, 0);
  if (!fromStart || size > most) return null;
  const seen = new Set<number>();
  for (const { item, bounds } of all) {
    for (const block of countUp(bounds.from, bounds.to ?? bounds.from, bounds.by)) {
      if (seen.has(block)) throw selectedTwice(`${stack}[${block}]`, item);
      seen.add(block);
    }
  }
  return [...seen].sort((a, b) => a - b);
}

export function selectedTwice(label: string, { span }: ast.IndexItem) {
  return fail("selected-twice", { label }, { at: span });
}
