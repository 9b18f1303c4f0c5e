/** EDITS of the command line -> one program: reading, parsing and naming, with every mistake in it. */
import { readFileSync } from "node:fs";
import { parse } from "../grammar/index.ts";
import { type Diagnostic, GraftError, Reporter } from "./diag/diagnostic.ts";
import { builtins } from "./grafts.ts";
import { checkOperator } from "./lower/index.ts";
import { loadProgram, type Program } from "./plan/index.ts";

/** Values of params, as `--set` has them. */
export type Settings = Readonly<Record<string, string>>;

export interface EditsOptions {
  /** `.graft` files, applied in order. */
  readonly edits: readonly string[];
  readonly set?: Settings | undefined;
}

/**
 * @returns the program and what is worth a warning.
 * @throws GraftError with every syntax and name error of all files.
 */
export function loadEdits(
  paths: readonly string[],
  settings: Settings = {},
): { readonly program: Program; readonly diagnostics: readonly Diagnostic[] } {
  const host = { readText, parse, builtins };
  const { program, diagnostics } = loadProgram(paths, new Map(Object.entries(settings)), host);
  if (!program) throw new GraftError(diagnostics);
  return { program, diagnostics };
}

/** What is wrong with the operators that the files define, whether or not anything uses them. */
export function checkOperators({ operators }: Program): readonly Diagnostic[] {
  const reporter = new Reporter();
  for (const { statement, scope } of operators) checkOperator(statement, scope, reporter);
  return reporter.diagnostics;
}

/**
 * The text of a `.graft` file.
 * @throws Error in words for people where it cannot be read, or is no text.
 */
export function readText(path: string | 0): string {
  const text = readFileSync(path, "utf8");
  if (text.includes("\0")) throw new Error("it is not a text file");
  return text;
}
