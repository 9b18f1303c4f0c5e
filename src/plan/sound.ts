/** What of files with mistakes can be judged further: nothing that rests on a statement with one. */
import type * as ast from "../../grammar/ast.ts";
import type { Diagnostic } from "../diag/diagnostic.ts";
import type { Code } from "../diag/messages/index.ts";
import type { SourceText } from "../diag/span.ts";
import type { Unit } from "./scope.ts";

const word = /[A-Za-z_]\w*/g;
const lineComment = /\/\/.*/g;

/** Those of a file's statements that no mistake lies in. */
export function soundOnes(file: ast.File, mistakes: readonly Diagnostic[]): ast.File {
  const inside = ({ span }: ast.Statement) =>
    mistakes.some(({ at }) => at && at.start >= span.start && at.start < span.end);
  return { ...file, statements: file.statements.filter((each) => !inside(each)) };
}

/** The codes that a name has which nothing defines. */
const nameless: ReadonlySet<Code> = new Set<Code>([
  "unknown-operator",
  "unknown-value",
  "unknown-name",
  "unknown-function",
  "unknown-setting",
]);

/**
 * Whether a diagnostic may come of a definition that was lost: one in the text that no sound statement
 * covers, in a file that could not be read, or a param without a value.
 */
export function followsFrom(units: Iterable<Unit>): (diagnostic: Diagnostic) => boolean {
  const lost = new Set<string>();
  let everything = false;
  for (const { source, file, uses, params, broken } of units) {
    for (const name of broken ? wordsBeside(source, file.statements) : []) lost.add(name);
    for (const statement of file.statements) {
      if (statement.kind === "param" && !params.has(statement.name.name)) {
        lost.add(statement.name.name);
      }
      if (statement.kind === "use" && !uses.has(statement)) everything = true;
    }
  }
  everything ||= lost.has("use");
  return ({ code, at }) => {
    if (!nameless.has(code)) return false;
    if (everything || !at) return everything || lost.size > 0;
    const names = at.source.text.slice(at.start, at.end).match(word) ?? [];
    return names.some((name) => lost.has(name));
  };
}

/** Words of the text between statements. */
function wordsBeside({ text }: SourceText, statements: readonly ast.Statement[]): string[] {
  const ends = [0, ...statements.map(({ span }) => span.end)];
  const starts = [...statements.map(({ span }) => span.start), text.length];
  const gaps = ends.map((end, i) => text.slice(end, starts[i]).replace(lineComment, ""));
  return gaps.flatMap((gap) => gap.match(word) ?? []);
}
