/** `x[.., 0:4]`, `x[:, none]`, `shape[-1]`: Python's subscripts. */
import type * as ast from "../../grammar/ast.ts";
import { fail } from "../diag/diagnostic.ts";
import { addDims } from "../onnx-ops/dims.ts";
import { refuse } from "../onnx-ops/op.ts";
import { evaluate } from "./evaluate.ts";
import { at, type Frame } from "./frame.ts";
import { sliceMap } from "./host.ts";
import { shapeOfMap } from "./inherit.ts";
import { gather, type Range, slice, squeeze, unsqueeze } from "./movement.ts";
import { extentOfValue, wrongValue } from "./params.ts";
import {
  type Extent,
  type HostMap,
  isTensor,
  kindOf,
  type List,
  list,
  show,
  type Tensor,
  type Val,
} from "./values.ts";

export async function subscript(frame: Frame, expr: ast.Subscript): Promise<Val> {
  const value = await evaluate(frame, expr.object);
  const items: Item[] = [];
  for (const item of expr.items) items.push(await itemOf(frame, item));
  if (isTensor(value)) return tensorItems(frame, value, items);
  if (kindOf(value) === "list") return listItems((value as List).items, items, expr);
  if (kindOf(value) === "host-map") return mapRows(value as HostMap, items, expr);
  throw fail("no-subscript", { value: show(value) }, { at: expr.object.span });
}

type Item = (
  | { readonly kind: "ellipsis" }
  | { readonly kind: "slice"; readonly from: Extent | null; readonly to: Extent | null }
  | { readonly kind: "index"; readonly value: Val }
) & { readonly source: ast.SliceItem };

async function itemOf(frame: Frame, source: ast.SliceItem): Promise<Item> {
  if (source.kind === "ellipsis") return { kind: "ellipsis", source };
  if (source.kind === "index") {
    return { kind: "index", value: await evaluate(frame, source.value), source };
  }
  const bound = async (expr: ast.Expr | null) => {
    if (!expr) return null;
    const value = await evaluate(frame, expr);
    const extent = extentOfValue(value);
    if (extent === undefined && value !== null) {
      throw wrongValue("A bound of a slice", "a whole number", value, expr.span);
    }
    return extent ?? null;
  };
  return { kind: "slice", from: await bound(source.from), to: await bound(source.to), source };
}

async function tensorItems(frame: Frame, x: Tensor, items: readonly Item[]): Promise<Val> {
  const ground = frame.placement;
  const consuming = items.filter(
    (item) => item.kind === "slice" || (item.kind === "index" && item.value !== null),
  );
  if (items.filter(({ kind }) => kind === "ellipsis").length > 1) {
    refuse("[...]", [x], "`..` may stand for axes once");
  }
  const spare = x.shape.length - consuming.length;
  if (spare < 0) refuse("[...]", [x], `${consuming.length} of its axes are named`);
  const ranges: Range[] = [];
  const picks: { axis: number; indices: Tensor }[] = [];
  const gone: number[] = [];
  const fresh: number[] = [];
  let axis = 0;
  let result = 0;
  for (const item of items) {
    if (item.kind === "ellipsis") {
      axis += spare;
      result += spare;
    } else if (item.kind === "slice") {
      ranges.push({ axis: axis++, from: item.from, to: item.to });
      result++;
    } else if (item.value === null) {
      fresh.push(result++);
    } else if (isTensor(item.value)) {
      picks.push({ axis, indices: item.value });
      axis++;
      result += item.value.shape.length;
    } else {
      const at = axis++;
      const index = await indexOf(item, x.shape[at]!);
      ranges.push({ axis: at, from: index, to: index === -1 ? null : next(index) });
      gone.push(at);
    }
  }
  const cut = slice(ground, x, ranges);
  const picked = picks.reduceRight((y, { axis, indices }) => gather(ground, y, indices, axis), cut);
  // Indices that were tensors may have moved the axes behind them.
  const shifted = gone.map((at) =>
    picks.reduce((n, p) => (p.axis < at ? n + p.indices.shape.length - 1 : n), at),
  );
  return unsqueeze(ground, squeeze(ground, picked, shifted), fresh);
}

function next(index: Extent): Extent {
  return addDims(index, 1) as Extent;
}

function indexOf(item: Item & { kind: "index" }, size: Extent): Promise<Extent> {
  return at(item.source.span, () => {
    const index = extentOfValue(item.value);
    if (index === undefined) {
      throw wrongValue("An index", "a whole number, `none` or a tensor", item.value, null);
    }
    if (typeof index === "number" && typeof size === "number" && (index < -size || index >= size)) {
      throw fail("no-such-element", { index, count: size });
    }
    return index;
  });
}

/** One element, or a list of them. */
function listItems(values: readonly Val[], items: readonly Item[], expr: ast.Subscript): Val {
  const [item] = items;
  if (items.length !== 1 || !item || item.kind === "ellipsis") {
    throw fail("no-subscript", { value: "a list of several axes" }, { at: expr.span });
  }
  if (item.kind === "slice") {
    if (typeof item.from === "string" || typeof item.to === "string") {
      throw fail("no-subscript", { value: "a list" }, { at: item.source.span });
    }
    return list(values.slice(item.from ?? 0, item.to ?? values.length));
  }
  const value = typeof item.value === "number" ? values.at(item.value) : undefined;
  if (value !== undefined && Number.isInteger(item.value)) return value;
  const index = show(item.value);
  throw fail("no-such-element", { index, count: values.length }, { at: item.source.span });
}

function mapRows(map: HostMap, [rows, ...rest]: readonly Item[], expr: ast.Subscript): HostMap {
  const [count] = shapeOfMap(map);
  if (rest.length > 0 || rows?.kind !== "slice") {
    throw fail(
      "no-subscript",
      { value: show(map) },
      { at: expr.span, hint: "`[from:to]` cuts rows" },
    );
  }
  const bound = (extent: Extent | null, open: number) => {
    const at = typeof extent === "number" ? extent : open;
    return Math.min(Math.max(at < 0 ? at + count : at, 0), count);
  };
  return sliceMap(map, bound(rows.from, 0), bound(rows.to, count));
}
