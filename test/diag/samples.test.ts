import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { cliMessages } from "../../src/diag/messages/cli.ts";
import { gradientMessages } from "../../src/diag/messages/gradients.ts";
import { messages } from "../../src/diag/messages/index.ts";
import { modelMessages } from "../../src/diag/messages/model.ts";
import { objectiveMessages } from "../../src/diag/messages/objectives.ts";
import { operatorMessages } from "../../src/diag/messages/operator.ts";
import { planMessages } from "../../src/diag/messages/plan.ts";
import { recipeMessages } from "../../src/diag/messages/recipe.ts";
import { runtimeMessages } from "../../src/diag/messages/runtime.ts";
import { syntaxMessages } from "../../src/diag/messages/syntax.ts";
import { trainMessages } from "../../src/diag/messages/train.ts";
import { samples } from "./sample.ts";
import { reportOf } from "./stages.ts";

const update = process.env.UPDATE_SAMPLES === "1";

test.each(samples)("$name", async (sample) => {
  const text = await reportOf(sample);
  if (update) writeFileSync(sample.expected, text);
  expect(text).toBe(readFileSync(sample.expected, "utf8"));
});

const tables = {
  ...syntaxMessages,
  ...modelMessages,
  ...planMessages,
  ...operatorMessages,
  ...cliMessages,
  ...runtimeMessages,
  ...gradientMessages,
  ...recipeMessages,
  ...objectiveMessages,
  ...trainMessages,
};

/** What takes a full disk, a signal, another process, a missing driver or a model of gigabytes to show. */
const misfortunes: ReadonlySet<string> = new Set([
  "cuda-unavailable",
  "memory-short",
  "run-interrupted",
  "disk-full",
  "input-changed",
  "model-too-large",
  "out-unwritable",
  "unwritable-edits",
]);

/** What tests beside the code make happen with models of their own. */
const elsewhere: ReadonlySet<string> = new Set([
  "data-left",
  "data-size",
  "data-unused",
  "graph-depth",
  "external-no-file",
  "load-unproven",
  "model-refused",
  "name-given-up",
  "name-taken",
  "out-overwrites-input",
  "ranges-of-before",
  "signature-changed",
  "verify-failed",
  "verify-impossible",
  "weights-contradict",
  "weights-tied",
]);

/** What guards the passes, and nobody has met. */
const unseen: ReadonlySet<string> = new Set(["rank-unknown", "site-reads-new"]);

test("every message has a sample", () => {
  const written = samples.filter(({ expected }) => existsSync(expected));
  const seen = new Set(
    written.flatMap(({ expected }) =>
      [...readFileSync(expected, "utf8").matchAll(/^\w+\[([\w-]+)\]:/gm)].map((match) => match[1]),
    ),
  );
  const missing = Object.keys(tables).filter((code) => !seen.has(code));
  const excused = [misfortunes, elsewhere, unseen];
  expect(missing.filter((code) => !excused.some((codes) => codes.has(code)))).toEqual([]);
});

test("messages begin with a capital, or with a name", () => {
  const small = Object.entries(messages).filter(([, { texts }]) => /^[a-z]/.test(texts[0]!));
  expect(small.map(([code]) => code)).toEqual([]);
});
