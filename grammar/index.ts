/** Text to tree to text: the language's syntax, and nothing of its meaning. */
import { type Diagnostic, diagnostic, fail, GraftError, Reporter } from "../src/diag/diagnostic.ts";
import type { SourceText } from "../src/diag/span.ts";
import type * as ast from "./ast.ts";
import { reportLexicalErrors } from "./lexical-errors.ts";
import { checkNesting } from "./nesting.ts";
import { GraftParser, maxErrors } from "./parser.ts";
import { print } from "./printer.ts";
import { tokenize } from "./tokens.ts";

export interface Parsed {
  /** The statements without an error in them. */
  readonly file: ast.File;
  /** In the order of the text. A file with any error must not be planned. */
  readonly diagnostics: readonly Diagnostic[];
}

/** Built on first use: the analysis of the grammar takes longer than a parse. */
let parser: GraftParser | undefined;

/**
 * The tree of a text and every syntax error in it. Never throws on a text.
 * @throws GraftError `wrong-usage` for what is none.
 */
export function parse(source: SourceText): Parsed {
  if (typeof source?.text !== "string") {
    throw fail("wrong-usage", { what: "A text of the language has to be `{ path, text }`" });
  }
  const reporter = new Reporter();
  const tokens = tokenize(source.text);
  reportLexicalErrors(source, tokens.tokens, reporter, maxErrors);
  parser ??= new GraftParser();
  const statements = checkNesting(source, tokens.tokens, reporter)
    ? parser.parse(source, tokens, reporter)
    : [];
  const span = { source, start: 0, end: source.text.length };
  return { file: { kind: "file", span, statements }, diagnostics: inOrder(reporter.diagnostics) };
}

/**
 * The text in the language's one style; formatting it again changes nothing.
 * @throws GraftError with the syntax errors of a text that has any.
 */
export function format(source: SourceText): string {
  const { file, diagnostics } = parse(source);
  if (diagnostics.length > 0) throw new GraftError(diagnostics);
  return print(source, tokenize(source.text), file);
}

function inOrder(diagnostics: readonly Diagnostic[]): Diagnostic[] {
  const sorted = diagnostics.toSorted((a, b) => startOf(a) - startOf(b));
  if (sorted.length < maxErrors) return sorted;
  return [...sorted.slice(0, maxErrors), diagnostic("too-many-errors", { count: maxErrors })];
}

function startOf({ at }: Diagnostic): number {
  return at?.start ?? Number.POSITIVE_INFINITY;
}
