import { relative, resolve } from "node:path";
import { parse } from "../../grammar/index.ts";
import { compile } from "../../src/compile.ts";
import { type Diagnostic, GraftError } from "../../src/diag/diagnostic.ts";
import { renderDiagnostics } from "../../src/diag/render.ts";
import { graftc } from "../cli/graftc.ts";
import type { Sample } from "./sample.ts";

const models = resolve("test/fixtures/models");

/** What graftc says about a sample, from as many stages as the sample needs. */
export async function reportOf(sample: Sample): Promise<string> {
  const beside = `${relative(resolve(sample.folder), models)}/`;
  const said = sample.command
    ? graftc(sample.command, { cwd: sample.folder }).stderr
    : `${renderDiagnostics(await diagnosticsOf(sample, beside), { color: false })}\n`;
  return said.replaceAll(beside, "");
}

async function diagnosticsOf({ text, model, folder }: Sample, beside: string) {
  if (model === null) return parse({ path: "input.graft", text }).diagnostics;
  return inFolder(folder, () => diagnosticsOn(`${beside}${model}`));
}

async function diagnosticsOn(model: string): Promise<readonly Diagnostic[]> {
  try {
    const { diagnostics } = await compile({ model, edits: ["input.graft"], dryRun: true });
    return diagnostics;
  } catch (cause) {
    if (!(cause instanceof GraftError)) throw cause;
    return cause.diagnostics;
  }
}

async function inFolder<T>(folder: string, step: () => Promise<T>): Promise<T> {
  const before = process.cwd();
  process.chdir(folder);
  try {
    return await step();
  } finally {
    process.chdir(before);
  }
}
