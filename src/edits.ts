/** EDITS of the command line -> one program: reading, parsing and naming, with every mistake in it. */
import { parse } from "../grammar/index.ts";
import { type Diagnostic, GraftError, Reporter } from "./diag/diagnostic.ts";
import { builtins } from "./grafts.ts";
import { checkOperator } from "./lower/index.ts";
import { checkProgram, type Loaded, loadProgram, type Program } from "./plan/index.ts";
import { readText } from "./text-file.ts";

/** Values of params, as `--set` has them. */
export type Settings = Readonly<Record<string, string>>;

export interface EditsOptions {
  /** `.graft` files, applied in order. */
  readonly edits: readonly string[];
  readonly set?: Settings | undefined;
}

/**
 * @returns the program and what is worth a warning.
 * @throws GraftError with every error of all files that shows without a model.
 */
export function loadEdits(
  paths: readonly string[],
  settings: Settings = {},
): { readonly program: Program; readonly diagnostics: readonly Diagnostic[] } {
  const host = { readText, parse, builtins };
  const loaded = loadProgram(paths, new Map(Object.entries(settings)), host);
  if (!loaded.program) throw new GraftError(everyError(loaded));
  return { program: loaded.program, diagnostics: loaded.diagnostics };
}

/** Those of loading, and of what is sound beside them. */
function everyError({ sound, follows, diagnostics }: Loaded): readonly Diagnostic[] {
  const more = checkEdits(sound).filter((each) => !follows(each) && !says(diagnostics, each));
  return inOrder([...diagnostics, ...more], sound);
}

/** All that can be said of edits without a model. */
export function checkEdits(program: Program): readonly Diagnostic[] {
  return [...checkOperators(program), ...checkProgram(program)];
}

/** By file and line; what has none last. */
export function inOrder(all: readonly Diagnostic[], { sources }: Program): readonly Diagnostic[] {
  const placed = all.map((each) => ({
    each,
    file: each.at ? sources.findIndex(({ path }) => path === each.at!.source.path) : sources.length,
    start: each.at?.start ?? 0,
  }));
  placed.sort((a, b) => a.file - b.file || a.start - b.start);
  return placed.map(({ each }) => each);
}

/** Whether the same is said already at the same place. */
export function says(said: readonly Diagnostic[], { code, at }: Diagnostic): boolean {
  return said.some(
    (other) =>
      other.code === code &&
      other.at?.start === at?.start &&
      other.at?.source.path === at?.source.path,
  );
}

/** What is wrong with the operators that the files define, whether or not anything uses them. */
export function checkOperators({ operators }: Program): readonly Diagnostic[] {
  const reporter = new Reporter();
  for (const { statement, scope } of operators) checkOperator(statement, scope, reporter);
  return reporter.diagnostics;
}
