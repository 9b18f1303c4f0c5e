/** Which blocks of a stack an index means, and why. */
import type * as ast from "../../grammar/ast.ts";
import type { Stack } from "../anatomy/anatomy.ts";
import { fail } from "../diag/diagnostic.ts";
import { type AnalysisReport, measuresOf } from "./analysis.ts";
import { evaluate, evaluateNumber, mismatch } from "./evaluate.ts";
import { backward, boundsOf, countUp, selectedTwice, shareOf } from "./index-text.ts";
import type { ArgValue } from "./plan.ts";

/** One block and the reason it was taken, or was not: `locality(k: 32) is 0.61, rank 3 of 28`. */
export interface Verdict {
  readonly index: number;
  readonly why: string;
}

export interface Chosen {
  /** In the order of the stack, each once. */
  readonly taken: readonly Verdict[];
  /** Those that came nearest among the others. */
  readonly missed: readonly Verdict[];
}

export interface IndexContext {
  readonly params: ReadonlyMap<string, ArgValue>;
  readonly report: AnalysisReport | null;
  /** Whose measures a bare name means; null for whole blocks. */
  readonly part: string | null;
  /** Indices out of range select nothing instead of being an error. */
  readonly lenient: boolean;
}

const nearestMisses = 3;

/** @throws GraftError for indices that are out of range, doubled, or have no value. */
export function chooseBlocks(index: ast.Index, stack: Stack, context: IndexContext): Chosen {
  const all = stack.blocks.map((block) => block.index);
  const count = all.length;
  switch (index.kind) {
    case "all": {
      const except = index.except.flatMap((item) => expandItem(item, stack, context));
      const left = new Set(except.map((verdict) => verdict.index));
      return split(
        all,
        (i) => !left.has(i),
        () => "all",
        () => "excepted",
      );
    }
    case "odd":
    case "even": {
      const parity = index.kind === "odd" ? 1 : 0;
      const why = (i: number) => `${i} is ${i % 2 ? "odd" : "even"}`;
      return split(all, (i) => i % 2 === parity, why, why);
    }
    case "first":
    case "last": {
      const size = amountOf(index.share, stack, context);
      const from = index.kind === "first" ? 0 : count - size;
      const why = `${index.kind} ${size} of ${count}`;
      const taken = (i: number) => i >= from && i < from + size;
      return split(
        all,
        taken,
        () => why,
        () => `not ${why}`,
      );
    }
    case "top":
    case "bottom":
      return ranked(index, stack, context);
    case "where":
      return filtered(index.condition, stack, context);
    case "items":
      return listed(index, stack, context);
  }
}

function split(
  all: readonly number[],
  takes: (index: number) => boolean,
  why: (index: number) => string,
  whyNot: (index: number) => string,
): Chosen {
  const taken = all.filter(takes).map((index) => ({ index, why: why(index) }));
  const missed = all.filter((index) => !takes(index));
  return {
    taken,
    missed: missed.slice(0, nearestMisses).map((index) => ({ index, why: whyNot(index) })),
  };
}

/** A count, or a share of the stack's blocks rounded down. */
function amountOf(share: ast.Share, stack: Stack, context: IndexContext): number {
  const count = stack.blocks.length;
  const value = shareOf(share, context.params);
  // 0.29 * 100 is 28.999...: the share is exact in hundredths of what was written.
  if (share.kind === "percent") return Math.floor(count * value + 1e-9);
  if (value <= count) return value;
  if (context.lenient) return count;
  const hint = `\`${stack.name}\` has ${count}`;
  throw fail("share-too-large", { share: value }, { at: share.span, hint });
}

function listed(
  index: Extract<ast.Index, { kind: "items" }>,
  stack: Stack,
  context: IndexContext,
): Chosen {
  const seen = new Map<number, Verdict>();
  for (const item of index.items) {
    for (const verdict of expandItem(item, stack, context)) {
      if (seen.has(verdict.index)) {
        throw selectedTwice(`${stack.name}[${verdict.index}]`, item);
      }
      seen.set(verdict.index, verdict);
    }
  }
  const taken = [...seen.values()].sort((a, b) => a.index - b.index);
  const missed = stack.blocks
    .filter((block) => !seen.has(block.index))
    .map((block) => ({ index: block.index, why: "not listed" }));
  return { taken, missed: missed.slice(0, nearestMisses) };
}

function expandItem(item: ast.IndexItem, stack: Stack, context: IndexContext): Verdict[] {
  const { source, start, end } = item.span;
  const text = source.text.slice(start, end);
  const count = stack.blocks.length;
  const bounds = boundsOf(item, context.params);
  const place = (value: number, { span }: ast.Expr): number | null => {
    const index = value < 0 ? value + count : value;
    if (index >= 0 && index < count) return index;
    if (context.lenient) return null;
    const what = `block ${value}`;
    const hint = `indices are 0..${count - 1}`;
    throw fail("index-out-of-range", { what, stack: stack.name, count }, { at: span, hint });
  };
  const from = place(bounds.from, item.from);
  if (!item.to) return from === null ? [] : [{ index: from, why: text }];
  const to = place(bounds.to!, item.to);
  if (from === null) return [];
  // Reached when lenient only: of a range that ends beyond the stack, what there is.
  const last = to ?? count - 1;
  if (from > last) throw backward(from, last, item);
  return countUp(from, last, bounds.by).map((index) => ({ index, why: `in ${text}` }));
}

/** `top` and `bottom`: ties go to the lower index. */
function ranked(
  index: Extract<ast.Index, { kind: "top" | "bottom" }>,
  stack: Stack,
  context: IndexContext,
): Chosen {
  const size = amountOf(index.share, stack, context);
  const sign = index.kind === "top" ? -1 : 1;
  const { source, start, end } = index.measure.span;
  const text = source.text.slice(start, end);
  const order = stack.blocks
    .map((block) => ({
      index: block.index,
      value: evaluateNumber(index.measure, measureNames(index, block.index, stack, context), text),
    }))
    .sort((a, b) => sign * (a.value - b.value) || a.index - b.index)
    .map(({ index, value }, rank) => ({
      index,
      why: `${text} is ${showMeasure(value)}, rank ${rank + 1} of ${stack.blocks.length}`,
    }));
  return {
    taken: order.slice(0, size).sort((a, b) => a.index - b.index),
    missed: order.slice(size, size + nearestMisses),
  };
}

function filtered(condition: ast.Expr, stack: Stack, context: IndexContext): Chosen {
  const { source, start, end } = condition.span;
  const text = source.text.slice(start, end);
  const verdicts = stack.blocks.map((block) => {
    const names = measureNames({ span: condition.span }, block.index, stack, context);
    const value = evaluate(condition, names);
    if (typeof value !== "boolean") mismatch(condition, "`where`", "a comparison", value);
    const sides = sidesOf(condition, (expr) => evaluate(expr, names));
    const why = `${value ? text : `not ${text}`}${sides ? `: ${sides.shown}` : ""}`;
    return { index: block.index, holds: value, why, distance: sides?.distance ?? 0 };
  });
  const missed = verdicts.filter((v) => !v.holds).sort((a, b) => a.distance - b.distance);
  return { taken: verdicts.filter((v) => v.holds), missed: missed.slice(0, nearestMisses) };
}

/** How near a comparison of two numbers was to going the other way. */
function sidesOf(condition: ast.Expr, worth: (expr: ast.Expr) => ArgValue) {
  if (condition.kind !== "binary") return null;
  const [left, right] = [condition.left, condition.right].map((side) => {
    const value = ["and", "or"].includes(condition.op) ? null : worth(side);
    return typeof value === "number" ? value : null;
  });
  if (left == null || right == null) return null;
  const shown = `${showMeasure(left)} against ${showMeasure(right)}`;
  return { distance: Math.abs(left - right), shown };
}

function measureNames(
  at: { readonly span: ast.Expr["span"] },
  block: number,
  stack: Stack,
  context: IndexContext,
) {
  if (!context.report) {
    throw fail(
      "no-report",
      {},
      {
        at: at.span,
        hint: "give it with --analysis report.json",
        notes: ["`graftc analyze MODEL --data DATA -o report.json` writes one"],
      },
    );
  }
  return measuresOf(context.report, `${stack.name}[${block}]`, context.part, context.params);
}

function showMeasure(value: number): string {
  return String(Number(value.toPrecision(4)));
}
