import type * as ast from "../../grammar/ast.ts";
import type { Anatomy, Stack } from "../anatomy/anatomy.ts";
import { fail } from "../diag/diagnostic.ts";
import type { Span } from "../diag/span.ts";
import { didYouMean } from "./suggestions.ts";

/** The stack that plain `blocks` means: the only one, or the one of that name. */
export function soleStack(anatomy: Anatomy): Stack | undefined {
  const { stacks } = anatomy;
  return stacks.length === 1 ? stacks[0] : stacks.find((stack) => stack.name === "blocks");
}

/** @throws GraftError listing the model's stacks when the name means none of them. */
export function stackNamed(selection: ast.PathSelection, anatomy: Anatomy, model: string): Stack {
  const name = selection.stack.map((ident) => ident.name).join(".");
  const exact = anatomy.stacks.find((stack) => stack.name === name);
  const found = exact ?? (name === "blocks" ? soleStack(anatomy) : undefined);
  if (found) return found;
  const span = stackSpan(selection);
  const names = anatomy.stacks.map((stack) => stack.name);
  if (!names.length) throw noBlocks(anatomy, model, span);
  const whole = names.find((each) => selection.index === null && name.startsWith(`${each}.`));
  if (whole) {
    const hint = `\`${whole}[all]${name.slice(whole.length)}\` means every one`;
    throw fail("needs-index", { selection: name }, { at: span, hint });
  }
  if (name === "blocks") throw severalStacks(names, model, span);
  throw fail(
    "unknown-stack",
    { name },
    {
      at: span,
      hint: didYouMean(name, names) ?? didYouMean(name.replace(/\.[^.]*$/, ""), names),
      notes: [`${model}: ${showStacks(names)}`],
    },
  );
}

/**
 * What is said of the model's blocks is said of these: the stack that plain `blocks` means, or all.
 * @throws GraftError when there are none.
 */
export function stacksOfModel(anatomy: Anatomy, model: string, span: Span): readonly Stack[] {
  const sole = soleStack(anatomy);
  if (!sole && !anatomy.stacks.length) throw noBlocks(anatomy, model, span);
  return sole ? [sole] : anatomy.stacks;
}

function severalStacks(names: readonly string[], model: string, span: Span) {
  const hint = `say which: \`${names[0]}\``;
  return fail("several-stacks", {}, { at: span, hint, notes: [`${model}: ${showStacks(names)}`] });
}

function noBlocks(anatomy: Anatomy, model: string, span: Span) {
  const remarks = anatomy.remarks.slice(0, 3);
  return fail(
    "no-blocks",
    { model },
    {
      at: span,
      notes: [...remarks, "`graftc inspect` shows what was found"],
    },
  );
}

function showStacks(names: readonly string[]): string {
  return `it has ${names.map((name) => `${name}[...]`).join(", ")}`;
}

function stackSpan(selection: ast.PathSelection): Span {
  const [first, last] = [selection.stack[0]!, selection.stack.at(-1)!];
  return { source: selection.span.source, start: first.span.start, end: last.span.end };
}
