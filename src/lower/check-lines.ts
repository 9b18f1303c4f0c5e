/** What can be said of an operator's lines in their order: what they declare, and where they end. */
import type * as ast from "../../grammar/ast.ts";
import type { Reporter } from "../diag/diagnostic.ts";
import { checkBindable, checkDeclarable, type Declaration } from "./frame.ts";

interface Around {
  readonly operator: ast.Operator;
  readonly reporter: Reporter;
  /** By the lines that always run before. */
  readonly declared: ReadonlyMap<string, Declaration>;
}

/**
 * Reports names that are declared twice, or reserved, and lines that nothing reaches. What one branch
 * declares another may declare too.
 */
export function checkLines(body: ast.Body, around: Around): void {
  const { operator, reporter } = around;
  const declared = new Map(around.declared);
  for (const line of body.lines) {
    if (line.kind === "layer" || line.kind === "weight") {
      reporter.attempt(() => checkDeclarable(line, declared.get(line.name.name), operator));
      declared.set(line.name.name, line);
    }
    if (line.kind === "let") checkNames(line.assign, reporter);
    if (line.kind === "assign") checkNames(line, reporter);
    if (line.kind === "if") {
      checkLines(line.then, { ...around, declared });
      if (line.else) checkLines(bodyOf(line.else), { ...around, declared });
    }
  }
  reportDead(body, reporter);
}

function checkNames({ names }: ast.Assign, reporter: Reporter): void {
  for (const name of names) reporter.attempt(() => checkBindable(name));
}

/** `else if` is a body of one line. */
export function bodyOf(branch: ast.Body | ast.If): ast.Body {
  return "lines" in branch ? branch : { span: branch.span, lines: [branch] };
}

/** Reports the first of the lines behind a `return`. */
export function reportDead({ lines }: ast.Body, reporter: Reporter): void {
  const end = lines.findIndex(({ kind }) => kind === "return");
  const dead = end < 0 ? undefined : lines[end + 1];
  if (!dead) return;
  const related = [{ at: lines[end]!.span, text: "the operator ends here" }];
  reporter.report("unreachable", {}, { at: dead.span, related });
}
