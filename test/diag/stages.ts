import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll } from "vitest";
import { parse } from "../../grammar/index.ts";
import { compile } from "../../src/compile.ts";
import { type Diagnostic, GraftError } from "../../src/diag/diagnostic.ts";
import { renderDiagnostics } from "../../src/diag/render.ts";
import { graftc } from "../cli/graftc.ts";
import type { Sample } from "./sample.ts";

const folder = mkdtempSync(join(tmpdir(), "graftc-samples-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What graftc says about a sample, from as many stages as the sample needs. */
export async function reportOf(sample: Sample): Promise<string> {
  if (sample.command) return reportOfCommand(sample.command, sample.folder);
  const diagnostics = await diagnosticsOf(sample);
  const said = `${renderDiagnostics(diagnostics, { color: false })}\n`;
  return sample.model ? said.replaceAll(pathOf(sample.model), sample.model) : said;
}

/** `MODEL:name.onnx` among the words is a model of the fixtures. */
function reportOfCommand(command: readonly string[], cwd: string): string {
  const models = command.flatMap((word) => (word.startsWith("MODEL:") ? word.slice(6) : []));
  const words = command.map((word) => (word.startsWith("MODEL:") ? pathOf(word.slice(6)) : word));
  const { stderr } = graftc(words, { cwd });
  return models.reduce((text, model) => text.replaceAll(pathOf(model), model), stderr);
}

async function diagnosticsOf({ text, model, folder }: Sample): Promise<readonly Diagnostic[]> {
  if (model === null) return parse({ path: "input.graft", text }).diagnostics;
  const path = pathOf(model);
  return inFolder(folder, () => diagnosticsOn(path));
}

/** Of a model in test/fixtures/models, or packed in test/fixtures/anatomy. */
function pathOf(model: string): string {
  const plain = resolve("test/fixtures/models", model);
  if (existsSync(plain)) return plain;
  const unpacked = join(folder, model);
  if (!existsSync(unpacked)) {
    writeFileSync(unpacked, gunzipSync(readFileSync(`test/fixtures/anatomy/${model}.gz`)));
  }
  return unpacked;
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
