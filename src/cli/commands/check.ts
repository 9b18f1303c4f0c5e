/** `graftc check EDITS... [--model MODEL]` */
import { check as checkFiles } from "../../check.ts";
import { plural } from "../../diag/figures.ts";
import type { Command } from "../outcome.ts";

interface Given {
  readonly edits: readonly string[];
  readonly model?: string;
  readonly set?: Readonly<Record<string, string>>;
  readonly analysis?: string;
}

export const check: Command<Given> = {
  failed: ({ edits, model }) => ({ files: edits, model: model ?? null }),
  async run(given, { signal }) {
    const { edits, model, set, analysis } = given;
    const diagnostics = await checkFiles({ edits, model, set, analysis, signal });
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
