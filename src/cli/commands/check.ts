/** `graftc check EDITS... [--model MODEL]` */
import { compile } from "../../compile.ts";
import { type Diagnostic, GraftError } from "../../diag/diagnostic.ts";
import { plural } from "../../diag/figures.ts";
import { checkEdits, checkOperators, inOrder, loadEdits, says } from "../../edits.ts";
import { checkRecipes } from "../../training/check.ts";
import type { Command } from "../outcome.ts";
import type { Shell } from "../shell.ts";

interface Given {
  readonly edits: readonly string[];
  readonly model?: string;
  readonly set?: Readonly<Record<string, string>>;
  readonly analysis?: string;
}

export const check: Command<Given> = {
  failed: ({ edits, model }) => ({ files: edits, model: model ?? null }),
  async run(given, shell) {
    const { edits, model } = given;
    const diagnostics = await (model === undefined
      ? diagnosticsOf(given)
      : diagnosticsOn(model, given, shell));
    const failed = diagnostics.some(({ severity }) => severity === "error");
    const place = model === undefined ? "" : ` on ${model}`;
    return {
      code: failed ? 1 : 0,
      json: this.failed(given),
      text: failed ? "" : `${plural(edits.length, "file")}${place}: no mistakes`,
      diagnostics,
    };
  },
};

/** What can be said of the files alone. */
async function diagnosticsOf({ edits, set = {} }: Given): Promise<readonly Diagnostic[]> {
  const { program, diagnostics } = loadEdits(edits, set);
  return inOrder([...diagnostics, ...checkEdits(program)], program);
}

/** Everything that a compile would say, by one that writes nothing, and of recipes what has no need of data. */
async function diagnosticsOn(
  model: string,
  { edits, set = {}, analysis }: Given,
  { signal }: Shell,
): Promise<readonly Diagnostic[]> {
  const report = analysis === undefined ? {} : { analysis };
  const { program } = loadEdits(edits, set);
  const operators = checkOperators(program);
  try {
    const result = await compile({ model, edits, out: null, set, dryRun: true, signal, ...report });
    const recipes = await checkRecipes({ model, signal, ...report }, program);
    const own = operators.filter((each) => !says(result.diagnostics, each));
    return inOrder([...own, ...result.diagnostics, ...recipes], program);
  } catch (cause) {
    if (!(cause instanceof GraftError)) throw cause;
    const own = operators.filter((each) => !says(cause.diagnostics, each));
    return inOrder([...own, ...cause.diagnostics], program);
  }
}
