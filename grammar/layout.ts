/** What the formatter takes from the tree; everything else it sees in the tokens. */
import type * as ast from "./ast.ts";

export interface Layout {
  /** Offsets where a statement, a line of an operator or a clause of a rewrite begins. */
  readonly lines: ReadonlySet<number>;
  /** Offsets where an operand begins though the token before could end one. */
  readonly operands: ReadonlySet<number>;
}

export function layoutOf(file: ast.File): Layout {
  const lines = new Set<number>();
  const operands = new Set<number>();

  const addBody = (body: ast.Body) => {
    for (const line of body.lines) {
      lines.add(line.span.start);
      if (line.kind === "if") addBranches(line);
    }
  };
  const addBranches = (branch: ast.If) => {
    addBody(branch.then);
    if (branch.else === null) return;
    if ("lines" in branch.else) addBody(branch.else);
    else addBranches(branch.else);
  };
  const addSelection = (selection: ast.Selection) => {
    if (selection.kind !== "path" || selection.index === null) return;
    if ("measure" in selection.index) operands.add(selection.index.measure.span.start);
  };
  const addRecord = (record: ast.RecordExpr) => {
    for (const { value } of record.entries) {
      if (value.kind === "record") addRecord(value);
      if (value.kind !== "train") continue;
      for (const term of value.terms) if (term.kind !== "all") addSelection(term);
    }
  };

  for (const statement of file.statements) {
    lines.add(statement.span.start);
    if ("target" in statement) addSelection(statement.target);
    if (statement.kind === "resize") operands.add(statement.value.span.start);
    if ("record" in statement) addRecord(statement.record);
    if (statement.kind === "operator") addBody(statement.body);
    if (statement.kind === "rewrite") {
      if (statement.in !== null) addSelection(statement.in);
      for (const { span } of [...statement.matches, ...statement.with]) lines.add(span.start);
    }
  }
  return { lines, operands };
}
