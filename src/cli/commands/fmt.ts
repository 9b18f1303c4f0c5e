/** `graftc fmt EDITS... [--check]` */
import { format, parse } from "../../../grammar/index.ts";
import { type Diagnostic, GraftError } from "../../diag/diagnostic.ts";
import { plural } from "../../diag/figures.ts";
import { readSource, replaceText } from "../files.ts";
import type { Command } from "../outcome.ts";

interface Given {
  readonly edits: readonly string[];
  readonly check: boolean;
}

interface Formatted {
  readonly file: string;
  readonly before: string;
  /** null: the file has syntax errors and stays as it is. */
  readonly after: string | null;
  readonly diagnostics: readonly Diagnostic[];
}

/** Files without errors are formatted also where others have some. */
export const fmt: Command<Given> = {
  failed: () => ({ files: [] }),
  async run({ edits, check }, shell) {
    const results = edits.map((path) => attempt(path, check));
    const changed = results.filter(({ before, after }) => after !== null && before !== after);
    const diagnostics = results.flatMap((result) => result.diagnostics);
    const failed = diagnostics.some(({ severity }) => severity === "error");
    const piped = check ? undefined : results.find(({ file }) => file === "-")?.after;
    if (piped) shell.print(piped);
    const names = changed.map(({ file }) => file).filter((file) => check || file !== "-");
    const verb = check ? "would change" : "formatted";
    return {
      code: failed || (check && changed.length > 0) ? 1 : 0,
      json: {
        files: results.map(({ file, before, after }) => ({
          file,
          changed: after !== null && before !== after,
          ...(file === "-" && { text: after }),
        })),
      },
      text:
        names.length > 0 ? [...names, `${plural(names.length, "file")} ${verb}`].join("\n") : "",
      diagnostics,
    };
  },
};

function attempt(path: string, check: boolean): Formatted {
  try {
    const source = readSource(path);
    const { diagnostics } = parse(source);
    const broken = diagnostics.some(({ severity }) => severity === "error");
    const after = broken ? null : format(source);
    if (after !== null && after !== source.text && !check && path !== "-") replaceText(path, after);
    return { file: path, before: source.text, after, diagnostics };
  } catch (cause) {
    if (!(cause instanceof GraftError)) throw cause;
    return { file: path, before: "", after: null, diagnostics: cause.diagnostics };
  }
}
