/** `graftc MODEL EDITS... -o OUT` */
import { existsSync } from "node:fs";
import { compile as compileModel } from "../../compile.ts";
import { fail } from "../../diag/diagnostic.ts";
import { nearest } from "../../diag/suggest.ts";
import { compileText } from "../compile-text.ts";
import type { CompileFlags } from "../flags.ts";
import { commandNames } from "../names.ts";
import type { Command } from "../outcome.ts";

type Given = CompileFlags & { readonly model: string; readonly edits: readonly string[] };

export const compile: Command<Given> = {
  failed: ({ model }) => ({ model, out: null, edits: [], bytes_written: 0 }),
  async run(given, shell) {
    const { model, out, set = {}, ...options } = given;
    checkWord(model);
    if (out === undefined && !options.dryRun) {
      throw fail("out-missing", {}, { hint: "say where to write the model: `-o OUT`" });
    }
    const begun = performance.now();
    const result = await compileModel({
      ...options,
      model,
      out: out ?? null,
      set: new Map(Object.entries(set)),
      signal: shell.signal,
      onProgress: (done, total) => shell.progress.update(out ?? model, done, total),
    });
    const milliseconds = performance.now() - begun;
    return {
      code: 0,
      json: { ...result.json },
      text: compileText(result, { milliseconds, colors: shell.colors }),
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
