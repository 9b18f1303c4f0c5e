/** `graftc check`: what is wrong with edits, by themselves or on a model. */
import { compile } from "./compile.ts";
import { type Diagnostic, GraftError } from "./diag/diagnostic.ts";
import type { EditingOptions } from "./editing.ts";
import {
  checkEdits,
  checkOperators,
  type EditsOptions,
  inOrder,
  loadEdits,
  says,
} from "./edits.ts";
import { checkOptions } from "./options.ts";
import type { Program } from "./plan/index.ts";
import { checkRecipes } from "./training/check.ts";

export interface CheckOptions extends EditsOptions, Pick<EditingOptions, "analysis" | "signal"> {
  /** The ONNX model that selections and types are of; without one they are not looked at. */
  readonly model?: string | undefined;
}

/**
 * Everything that a compile of these edits would say, and of operators that nothing uses; writes nothing.
 * @returns by file and line, what has no place last; empty where there is nothing to say. Mistakes in
 * the files or the model are among them, and are not thrown.
 */
export async function check(options: CheckOptions): Promise<readonly Diagnostic[]> {
  checkOptions("check", options);
  const { edits, set, model } = options;
  try {
    const { program, diagnostics } = loadEdits(edits, set);
    const said =
      model === undefined
        ? [...diagnostics, ...checkEdits(program)]
        : await saidOn({ ...options, model }, program);
    return inOrder(said, program);
  } catch (cause) {
    if (!(cause instanceof GraftError)) throw cause;
    return cause.diagnostics;
  }
}

type OnModel = CheckOptions & { readonly model: string };

/** By a compile that writes nothing; of recipes what has no need of data. */
async function saidOn(options: OnModel, program: Program): Promise<readonly Diagnostic[]> {
  const operators = checkOperators(program);
  const beside = (said: readonly Diagnostic[]) => [
    ...operators.filter((each) => !says(said, each)),
    ...said,
  ];
  try {
    const { diagnostics } = await compile({ ...options, out: null, dryRun: true });
    return [...beside(diagnostics), ...(await checkRecipes(options, program))];
  } catch (cause) {
    if (!(cause instanceof GraftError)) throw cause;
    return beside(cause.diagnostics);
  }
}
