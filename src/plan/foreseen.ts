/** The mistakes of a selection that are mistakes on every model. */
import type * as ast from "../../grammar/ast.ts";
import { fail, type Reporter } from "../diag/diagnostic.ts";
import { claim, type Ledger } from "./conflicts.ts";
import { listed } from "./index-text.ts";
import type { Step } from "./load.ts";
import { checkKind } from "./operator-use.ts";
import { partKind, usualParts } from "./part-names.ts";
import type { ArgValue } from "./plan.ts";
import { needsIndex, partOf, textOf } from "./select.ts";
import { pairsOf, type Quantity, resized, resizeMisfit, type Spot, wholeBlocks } from "./spots.ts";
import { didYouMean, listNames } from "./suggestions.ts";

/** What a path selects, whatever the model. */
interface Foreseen {
  readonly label: string;
  readonly part: string | null;
  /** null: which blocks these are is for the model to say. */
  readonly spots: readonly Spot[] | null;
}

/** @throws GraftError for a part that no block has, and for an index that means nothing. */
export function foresee(
  selection: ast.PathSelection,
  params: ReadonlyMap<string, ArgValue>,
): Foreseen {
  const stack = selection.stack.map(({ name }) => name).join(".");
  if (!selection.index) throw needsIndex(selection, `${selection.stack[0]!.name}[all]`);
  const part = partOf(selection);
  const label = textOf(selection);
  if (part && !partKind(part.name)) {
    const hint = didYouMean(part.name, usualParts);
    const notes = [`parts are ${listNames(usualParts)}`];
    throw fail("no-such-part", { label }, { at: part.span, hint, notes });
  }
  const blocks = listed(selection.index, stack, params);
  const named = part?.name ?? null;
  const spots = blocks?.map((index) => {
    const whole = `${stack}[${index}]`;
    return { label: named ? `${whole}.${named}` : whole, stack, index, part: named };
  });
  return { label, part: named, spots: spots ?? null };
}

/** What a path of an edit selects on every model, entered in the ledger of the edits before it. */
export function foreseeTarget(
  { statement, scope }: Step<ast.Edit>,
  ledger: Ledger,
  reporter: Reporter,
): Foreseen | undefined {
  const { target, tail } = statement;
  if (target.kind === "scope") return undefined;
  const foreseen = reporter.attempt(() => foresee(target, scope.params));
  // What need not be there may not have been edited before.
  if (!foreseen?.spots || tail.optional) return foreseen;
  reporter.diagnostics.push(...claim(ledger, statement, foreseen.spots));
  return foreseen;
}

/** Reports a target that an edit cannot have, sound as the rest of its statement is. */
export function checkForeseen(
  { statement, scope }: Step<ast.Edit>,
  foreseen: Foreseen,
  reporter: Reporter,
): void {
  const spot = foreseen.spots?.[0] ?? foreseen;
  if (statement.kind === "replace") {
    const operator = scope.operators.get(statement.operator.name.name)!;
    checkKind(operator, statement.operator, spot, reporter);
  } else if (statement.kind !== "remove") {
    reporter.attempt(() => checkVerb(statement, foreseen, spot));
  }
}

type Verbal = ast.Resize | ast.Parallelize | ast.Repeat;

function checkVerb(
  statement: Verbal,
  { part, spots }: Foreseen,
  spot: Pick<Spot, "label" | "part">,
) {
  if (statement.kind === "resize") {
    const quantity = statement.quantity.name as Quantity;
    const kind = part && partKind(part);
    const host = kind === "attn" || kind === "cross_attn" ? "attention" : kind;
    if (host !== resized[quantity]) throw resizeMisfit(statement, quantity, spot);
    return;
  }
  wholeBlocks(statement, [spot]);
  if (statement.kind === "parallelize" && spots) pairsOf(statement, spots, (each) => each);
}
