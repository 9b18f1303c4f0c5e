/** One edit statement and its sites -> a planned edit, or diagnostics. */
import { basename } from "node:path";
import type * as ast from "../../grammar/ast.ts";
import { fail, type Reporter } from "../diag/diagnostic.ts";
import { positionOf, type Span } from "../diag/span.ts";
import type { Explanation } from "../explain/explanation.ts";
import { claim, type Ledger } from "./conflicts.ts";
import { evaluateInteger, evaluateNumber, mismatch } from "./evaluate.ts";
import { checkForeseen, foreseeTarget } from "./foreseen.ts";
import type { Step } from "./load.ts";
import { bindArguments, checkPlace, joinedSite, operatorNamed } from "./operator-use.ts";
import type { PlannedEdit, Site } from "./plan.ts";
import { type SelectContext, select } from "./select.ts";
import { pairsOf, quantities, resized, resizeMisfit, spotOf, wholeBlocks } from "./spots.ts";
import { didYouMean, listNames } from "./suggestions.ts";

export interface EditContext {
  readonly select: Omit<SelectContext, "params">;
  readonly ledger: Ledger;
  readonly reporter: Reporter;
  readonly explanations: Explanation[];
}

/** What a statement says besides its sites; reported mistakes leave it undefined. */
type Intent<E extends PlannedEdit = PlannedEdit> = E extends PlannedEdit
  ? Omit<E, "statement" | "place" | "sites">
  : never;

export function planEdit(step: Step<ast.Edit>, context: EditContext): PlannedEdit | null {
  const { statement, scope } = step;
  const { reporter } = context;
  const before = reporter.diagnostics.length;
  const selected = reporter.attempt(() =>
    select(statement.target, statement.tail, { ...context.select, params: scope.params }),
  );
  if (selected) {
    context.explanations.push(selected.explanation);
    reporter.diagnostics.push(...claim(context.ledger, statement, selected.sites.map(spotOf)));
  }
  const sites = selected?.sites ?? [];
  const opaque = sites.find(({ part, block }) => !part && block.opaque);
  if (opaque) {
    const params = { label: opaque.label, reason: opaque.block.opaque! };
    reporter.report("opaque-block", params, { at: statement.target.span });
  }
  const intent = reporter.attempt(() => intentOf(step, sites, reporter));
  if (!selected || !intent || reporter.diagnostics.length > before) return null;
  const places =
    intent.verb === "replace" ? sites.map((site) => joinedSite(site, intent.operator)) : sites;
  return { ...intent, statement, place: provenance(statement.span), sites: places } as PlannedEdit;
}

/** `slim.graft:4`: no model tells where it was made, and equal files give equal bytes. */
export function provenance({ source, start }: Span): string {
  return `${basename(source.path)}:${positionOf(source, start).line}`;
}

/** More than any network has; a slip of the author's asks for copies that no memory holds. */
const mostTimes = 1000;

function intentOf(step: Step<ast.Edit>, sites: readonly Site[], reporter: Reporter): Intent {
  const { statement, scope } = step;
  const names = { values: scope.params };
  switch (statement.kind) {
    case "replace":
      return planReplace(statement, step, sites, reporter);
    case "resize":
      return planResize(statement, step, sites);
    case "parallelize": {
      const by = evaluateInteger(statement.by, names, "`by`");
      if (by !== 2) throw fail("parallel-by", { by }, { at: statement.by.span });
      const merge = oneOf(statement.merge, ["linear", "sum", "mean"], "merge");
      wholeBlocks(statement, sites.map(spotOf));
      return { verb: "parallelize", merge, pairs: pairsOf(statement, sites, spotOf) };
    }
    case "remove":
      return { verb: "remove" };
    case "repeat": {
      const times = evaluateInteger(statement.times, names, "`times`");
      if (times < 1) {
        const hint = "`repeat ... times 1` leaves it as it is; `remove` takes it out";
        throw fail("repeat-times", { times }, { at: statement.times.span, hint });
      }
      if (times > mostTimes) {
        const hint = `it can occur ${mostTimes} times at most`;
        throw fail("repeat-times", { times }, { at: statement.times.span, hint });
      }
      wholeBlocks(statement, sites.map(spotOf));
      return { verb: "repeat", times };
    }
  }
}

function planReplace(
  statement: ast.Replace,
  { scope }: Step<ast.Edit>,
  sites: readonly Site[],
  reporter: Reporter,
): Intent {
  const operator = operatorNamed(statement.operator, scope);
  checkPlace(operator, statement.operator, sites, reporter);
  const args = bindArguments(operator, statement.operator, scope.params, reporter);
  const init = oneOf(statement.init, ["inherit", "fresh"], "init");
  const home = scope.scopeOf(operator);
  return { verb: "replace", operator, scope: home, args, inherit: init === "inherit" };
}

function planResize(
  statement: ast.Resize,
  { scope }: Step<ast.Edit>,
  sites: readonly Site[],
): Intent {
  const quantity = oneOf(statement.quantity, quantities, "quantity");
  const names = { values: scope.params };
  const what = `\`${quantity}\``;
  const amount =
    quantity === "ratio"
      ? evaluateNumber(statement.value, names, what)
      : evaluateInteger(statement.value, names, what);
  if (amount <= 0) mismatch(statement.value, what, "a positive number", amount);
  const misfit = sites.find((site) => site.part?.host.kind !== resized[quantity]);
  if (misfit?.part?.host.kind === "other") {
    const params = { label: misfit.label, reason: misfit.part.host.opaque };
    throw fail("cannot-resize", params, { at: statement.target.span });
  }
  if (misfit) throw resizeMisfit(statement, quantity, spotOf(misfit));
  return { verb: "resize", quantity, amount };
}

function oneOf<T extends string>(ident: ast.Ident | null, values: readonly T[], what: string): T {
  if (!ident) return values[0]!;
  const found = values.find((value) => value === ident.name);
  if (found) return found;
  throw fail(
    "unknown-choice",
    { what, name: ident.name, values: listNames(values) },
    {
      at: ident.span,
      hint: didYouMean(ident.name, values),
    },
  );
}

/**
 * The mistakes of an edit that show without a model.
 * @param ledger of the edits before it.
 */
export function checkEdit(step: Step<ast.Edit>, ledger: Ledger, reporter: Reporter): void {
  const target = foreseeTarget(step, ledger, reporter);
  const intent = reporter.attempt(() => intentOf(step, [], reporter));
  if (target && intent) checkForeseen(step, target, reporter);
}
