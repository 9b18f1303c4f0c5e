/** `graftc artifacts MODEL EDITS... -o DIR` */
import { artifacts as makeArtifacts } from "../../artifacts.ts";
import { fail } from "../../diag/diagnostic.ts";
import { plural, showCount } from "../../diag/figures.ts";
import type { EditFlags } from "../flags.ts";
import { checkOrder } from "../order.ts";
import type { Command } from "../outcome.ts";

type Given = EditFlags & { readonly model: string; readonly edits: readonly string[] };

export const artifacts: Command<Given> = {
  failed: ({ model }) => ({ model, out: null, stages: [] }),
  async run({ out, ...given }, { signal }) {
    checkOrder("graftc artifacts", given.model, given.edits);
    if (!out) {
      throw fail("out-missing", {}, { hint: "say which folder to write to: `-o DIR`" });
    }
    const { stages, diagnostics } = await makeArtifacts({ ...given, out, signal });
    return {
      code: 0,
      json: { model: given.model, out, stages },
      text: stages
        .map(({ kind, folder, trained, parameters }) => {
          return `${folder}: ${kind}, trains ${showCount(parameters)} parameters in ${plural(trained, "tensor")}`;
        })
        .join("\n"),
      diagnostics,
    };
  },
};
