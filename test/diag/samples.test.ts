import { readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { syntaxMessages } from "../../src/diag/messages/syntax.ts";
import { renderDiagnostics } from "../../src/diag/render.ts";
import { samples } from "./sample.ts";
import { diagnosticsOf } from "./stages.ts";

test.each(samples)("$name", async (sample) => {
  const diagnostics = await diagnosticsOf(sample);
  const text = `${renderDiagnostics(diagnostics, { color: false })}\n`;
  if (process.env.UPDATE_SAMPLES === "1") writeFileSync(sample.expected, text);
  expect(text).toBe(readFileSync(sample.expected, "utf8"));
});

test("every syntax message has a sample", () => {
  const seen = samples.flatMap(({ expected }) =>
    [...readFileSync(expected, "utf8").matchAll(/^\w+\[([\w-]+)\]:/gm)].map((match) => match[1]),
  );
  const missing = Object.keys(syntaxMessages).filter((code) => !seen.includes(code));
  expect(missing).toEqual([]);
});
