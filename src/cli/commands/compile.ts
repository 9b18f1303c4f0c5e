/** `graftc MODEL EDITS... -o OUT` */
import { existsSync } from "node:fs";
import { type CompileResult, compile as compileModel } from "../../compile.ts";
import { fail } from "../../diag/diagnostic.ts";
import { nearest } from "../../diag/suggest.ts";
import { compileText } from "../compile-text.ts";
import type { CompileFlags } from "../flags.ts";
import { commandNames } from "../names.ts";
import { checkOrder } from "../order.ts";
import type { Command } from "../outcome.ts";

type Given = CompileFlags & { readonly model: string; readonly edits: readonly string[] };

export const compile: Command<Given> = {
  failed: ({ model }) => ({ model, out: null, edits: [], bytes_written: 0 }),
  async run({ explain = false, ...given }, { signal, progress, colors }) {
    const { model, out, dryRun = false } = given;
    checkOrder("graftc", model, given.edits);
    checkWord(model);
    if (!out && !dryRun) {
      throw fail("out-missing", {}, { hint: "say where to write the model: `-o OUT`" });
    }
    const begun = performance.now();
    const result = await compileModel({
      ...given,
      signal,
      onProgress: (done, total) => progress.update(out ?? model, done, total),
    });
    const milliseconds = performance.now() - begun;
    return {
      code: 0,
      json: compileJson(result, explain),
      text: compileText(result, { milliseconds, colors, explain }),
      diagnostics: result.diagnostics,
    };
  },
};

/** A misspelt command would be taken for a model. */
function checkWord(word: string): void {
  if (/[./\\]/.test(word) || existsSync(word)) return;
  const near = nearest(word, commandNames);
  const hint = near === undefined ? null : `did you mean \`graftc ${near}\`?`;
  throw fail("unknown-command", { word }, { hint, notes: ["`graftc --help` shows the commands"] });
}

function compileJson(result: CompileResult, explain: boolean) {
  const { model, out, edits, before, after, recipes, verification, explanations } = result;
  return {
    model,
    out,
    edits: edits.map((edit) => ({
      file: edit.file,
      line: edit.line,
      text: edit.text,
      sites: edit.sites,
      parameters_added: edit.parametersAdded,
      parameters_removed: edit.parametersRemoved,
      flops_before: edit.flopsBefore,
      flops_after: edit.flopsAfter,
    })),
    weights_loaded: result.weightsLoaded,
    bytes_written: result.bytesWritten,
    before,
    after,
    recipes,
    verification,
    ...(explain && { explanations }),
  };
}
