/** What a place does not tell, the author may: an error names the argument that says it. */
import { expect, test } from "vitest";
import { inferTypes } from "../../passes/infer-types.ts";
import { createOracle } from "../../runtime/index.ts";
import { GraftError } from "../../src/diag/diagnostic.ts";
import { edit, editModel, fixture } from "./workbench.ts";

test.each(["mha", "swa", "swa_2d", "linear_attention"])(
  "%s takes the number of heads where no attention is left to tell it",
  async (name) => {
    const { model } = await edit(
      fixture("dit-tiny-dynamo20"),
      "replace blocks[all].attn with hyena_x",
    );
    await inferTypes(model, createOracle());
    const cause = await editModel(model, `replace blocks[1].attn with ${name}`).catch((e) => e);
    expect(cause).toBeInstanceOf(GraftError);
    const { diagnostics } = cause as GraftError;
    expect(diagnostics.map(({ code, hint }) => [code, hint])).toEqual([
      ["size-unknown-here", `say it yourself: \`${name}(heads: ...)\``],
    ]);
    const { report } = await editModel(model, `replace blocks[1].attn with ${name}(heads: 4)`);
    expect(report.diagnostics.map(({ code }) => code)).toEqual([
      "inherit-refused",
      "inherit-refused",
    ]);
  },
);
