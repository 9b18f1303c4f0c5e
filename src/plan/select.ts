/** From a selection to the places it means in one model. */
import type * as ast from "../../grammar/ast.ts";
import type { Anatomy, Block, Stack } from "../anatomy/anatomy.ts";
import { fail } from "../diag/diagnostic.ts";
import { placeOf } from "../diag/span.ts";
import type { Explanation, Reason } from "../explain/explanation.ts";
import type { AnalysisReport } from "./analysis.ts";
import { chooseBlocks } from "./indices.ts";
import { partKind } from "./part-names.ts";
import type { ArgValue, Site } from "./plan.ts";
import { selectScope } from "./select-scope.ts";
import { stackNamed } from "./stacks.ts";
import { didYouMean } from "./suggestions.ts";

export interface SelectContext {
  readonly anatomy: Anatomy;
  /** As the user gave it. */
  readonly model: string;
  readonly params: ReadonlyMap<string, ArgValue>;
  readonly report: AnalysisReport | null;
}

export interface Selected {
  readonly sites: readonly Site[];
  readonly explanation: Explanation;
}

/**
 * @param tail `optional` lets what does not exist select nothing; `expect n` must count the sites.
 * @throws GraftError for unknown stacks and parts, indices out of range, nothing selected, ...
 */
export function select(selection: ast.Selection, tail: ast.Tail, context: SelectContext): Selected {
  const selected =
    selection.kind === "scope"
      ? selectScope(selection, context)
      : selectPath(selection, tail.optional, context);
  const { sites, explanation } = selected;
  const misses = explanation.missed.map(({ label, why }) => `not ${label}: ${why}`);
  if (tail.expect && tail.expect.count !== sites.length) {
    const labels = sites.map((site) => site.label).join(", ");
    throw fail(
      "wrong-count",
      { expected: tail.expect.count, found: sites.length },
      { at: tail.expect.span, notes: [labels ? `selected: ${labels}` : "nothing is selected"] },
    );
  }
  if (!sites.length && !tail.optional && !tail.expect) {
    throw fail(
      "selects-nothing",
      { selection: explanation.selection },
      {
        at: selection.span,
        hint: "end the statement in `optional` if that is fine",
        notes: misses,
      },
    );
  }
  return selected;
}

export function textOf(node: { readonly span: ast.Expr["span"] }): string {
  const { source, start, end } = node.span;
  return source.text.slice(start, end).replace(/\s+/g, " ");
}

export function needsIndex(selection: ast.PathSelection, example: string) {
  const hint = `\`${example}\` means every one`;
  return fail("needs-index", { selection: textOf(selection) }, { at: selection.span, hint });
}

/** @throws GraftError where something stands behind the part. */
export function partOf({ part: [named, beyond] }: ast.PathSelection): ast.Ident | null {
  if (beyond) {
    const hint = `the selection ends with \`.${named!.name}\``;
    throw fail("part-of-part", { part: named!.name }, { at: beyond.span, hint });
  }
  return named ?? null;
}

function selectPath(
  selection: ast.PathSelection,
  lenient: boolean,
  context: SelectContext,
): Selected {
  const { params, report, model } = context;
  const stack = stackNamed(selection, context.anatomy, model);
  if (!selection.index) {
    throw needsIndex(selection, `${stack.name}[all]`);
  }
  const part = partOf(selection);
  const chosen = chooseBlocks(selection.index, stack, {
    params,
    report,
    lenient,
    part: part?.name ?? null,
  });
  const label = (index: number) => `${stack.name}[${index}]${part ? `.${part.name}` : ""}`;
  const reason = ({ index, why }: { index: number; why: string }): Reason => ({
    label: label(index),
    why,
  });
  const sites: Site[] = [];
  const missed = chosen.missed.map(reason);
  const bare: Block[] = [];
  for (const { index } of chosen.taken) {
    const block = stack.blocks[index]!;
    const found = part ? block.parts.get(part.name) : null;
    if (found === undefined) bare.push(block);
    else sites.push({ label: label(index), stack, block, part: found });
  }
  if (bare.length && part) {
    if (!lenient || !partKind(part.name)) {
      throw noSuchPart(stack, bare, part, context);
    }
    missed.unshift(...bare.map((b) => ({ label: label(b.index), why: "it has no such part" })));
  }
  const kept = new Set(sites.map((site) => site.block.index));
  return {
    sites,
    explanation: {
      place: placeOf(selection.span),
      selection: textOf(selection),
      matched: chosen.taken.filter(({ index }) => kept.has(index)).map(reason),
      missed,
    },
  };
}

/** The part whose projections compute the block's MLP too. */
function holderOfMlp(block: Block): string | undefined {
  const parts = [...block.parts.values()];
  return parts.find(({ host }) => host.kind === "attention" && host.holdsMlp)?.name;
}

function noSuchPart(
  stack: Stack,
  blocks: readonly Block[],
  part: ast.Ident,
  context: SelectContext,
) {
  const labels = blocks.map((block) => `${stack.name}[${block.index}]`);
  const parts = [...blocks[0]!.parts.keys()].sort();
  const has = parts.length ? `has ${parts.join(", ")}` : "has no parts that could be placed";
  const also = labels.length > 1 ? [`the same goes for ${labels.slice(1).join(", ")}`] : [];
  const known = `${context.model}: ${labels[0]} ${has}`;
  const label = `${labels[0]}.${part.name}`;
  const refused = blocks[0]!.refused.get(part.name);
  if (refused !== undefined) {
    const notes = [known, ...also];
    return fail("refused-part", { label, reason: refused }, { at: part.span, notes });
  }
  const holder = part.name === "mlp" ? holderOfMlp(blocks[0]!) : undefined;
  if (holder) {
    const notes = [`\`.${holder}\` holds both`, known, ...also];
    return fail("fused-part", { label }, { at: part.span, notes });
  }
  return fail(
    "no-such-part",
    { label },
    {
      at: part.span,
      hint: didYouMean(part.name, parts),
      notes: [known, ...also],
    },
  );
}
