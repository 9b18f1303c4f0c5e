/** What shows of a rewrite without a model: what `with` and `where` use must be bound by a match. */
import type * as ast from "../../grammar/ast.ts";
import type { Reporter } from "../diag/diagnostic.ts";
import { dtypes } from "../ir/types.ts";
import { foresee } from "./foreseen.ts";
import type { Step } from "./load.ts";
import { didYouMean, listNames } from "./suggestions.ts";

const words: ReadonlySet<string> = new Set(["true", "false", "none", ...Object.keys(dtypes)]);

export function checkRewrite(
  { statement: rewrite, scope }: Step<ast.Rewrite>,
  reporter: Reporter,
): void {
  const { in: within } = rewrite;
  if (within?.kind === "path") reporter.attempt(() => foresee(within, scope.params));
  const outputs = rewrite.matches.flatMap((match) => match.names);
  const bound = new Set(outputs.map((output) => output.name));
  for (const match of rewrite.matches) bindings(match.pattern, bound);
  if (rewrite.where) checkNames(rewrite.where, bound, reporter);
  const given = new Set<string>();
  for (const { names, value } of rewrite.with) {
    checkNames(value, bound, reporter);
    for (const { name } of names) {
      bound.add(name);
      given.add(name);
    }
  }
  for (const { name, span } of outputs) {
    if (given.has(name) || name === "_") continue;
    const hint = `\`with\` must say what replaces \`${name}\``;
    reporter.report("rewrite-leaves-output", { name }, { at: span, hint });
  }
}

function bindings(pattern: ast.Pattern, bound: Set<string>): void {
  if (pattern.kind === "binding") bound.add(pattern.name);
  if (pattern.kind === "alternatives") for (const each of pattern.options) bindings(each, bound);
  if (pattern.kind === "op") for (const arg of pattern.args) bindings(arg.value, bound);
}

function checkNames(expr: ast.Expr, bound: ReadonlySet<string>, reporter: Reporter): void {
  for (const operand of operandsOf(expr)) checkNames(operand, bound, reporter);
  if (expr.kind !== "name" || expr.domain !== "") return;
  if (bound.has(expr.name) || words.has(expr.name)) return;
  reporter.report(
    "unbound-name",
    { name: expr.name },
    {
      at: expr.span,
      hint: didYouMean(expr.name, bound),
      notes: [`the match binds ${listNames(bound)}`],
    },
  );
}

/** Expressions inside; the callee of a call is an operator or a function and not one of them. */
function operandsOf(expr: ast.Expr): readonly ast.Expr[] {
  switch (expr.kind) {
    case "list":
      return expr.items;
    case "unary":
      return [expr.operand];
    case "binary":
      return [expr.left, expr.right];
    case "member":
    case "subscript":
      return [expr.object];
    case "call": {
      const args = expr.args.map((arg) => arg.value);
      return expr.callee.kind === "member" ? [expr.callee.object, ...args] : args;
    }
    default:
      return [];
  }
}
