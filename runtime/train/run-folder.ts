/** A run's folder: what is trained and how (`run.json`), its last checkpoint, its log and chart. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fail } from "../../src/diag/diagnostic.ts";
import { asReadFailure } from "../../src/onnx/disk-file.ts";
import { replaceFile } from "../../src/onnx/replace-file.ts";
import { asWriteFailure } from "../../src/onnx/temporary.ts";
import { type Checkpoint, readCheckpoint, writeCheckpoint } from "./checkpoint.ts";
import { type Log, openLog } from "./log.ts";

export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json };

/** What a run must be resumed with. */
export interface RunPlan {
  /** The recipe blocks in the order they run, with nothing left out. */
  readonly recipe: Json;
  /** SHA-256 of the model, with its external data. */
  readonly model: string;
  /** SHA-256 of the edits' text. */
  readonly edits: string;
  readonly seed: number;
}

/** What a run keeps as it began, whatever the machine is that resumes it: the bits depend on it. */
export interface RunSettings {
  /** Steps that one call of the runtime takes. */
  readonly stepsPerCall: number;
  readonly threads: number;
}

export interface Run {
  readonly settings: RunSettings;
  /** Null where no step has been kept. */
  readonly checkpoint: Checkpoint | null;
  readonly log: Log;
  /** Puts a checkpoint in the place of the last. Its log is on the disk before it is. */
  save(checkpoint: Checkpoint): Promise<void>;
  /** Where the chart goes. */
  readonly chartPath: string;
}

const version = 1;
const files = {
  facts: "run.json",
  checkpoint: "checkpoint.safetensors",
  log: "log.jsonl",
  chart: "loss.svg",
} as const;

/** @throws GraftError where the folder holds a run already, or cannot be written. */
export async function beginRun(folder: string, plan: RunPlan, settings: RunSettings): Promise<Run> {
  const path = join(folder, files.facts);
  if (existsSync(path)) {
    const hint = "`--resume` goes on with it, `--run` names another folder";
    throw fail("run-exists", { path: folder }, { hint });
  }
  try {
    mkdirSync(folder, { recursive: true });
  } catch (cause) {
    throw asWriteFailure(folder, cause);
  }
  const facts = `${JSON.stringify({ version, ...plan, ...settings }, null, 2)}\n`;
  rmSync(join(folder, files.checkpoint), { force: true });
  await replaceFile(path, true, (descriptor) => writeFileSync(descriptor, facts));
  return open(folder, settings);
}

/** @throws GraftError where there is no run, another one, or a damaged one. */
export function resumeRun(folder: string, plan: RunPlan): Run {
  const facts = readFacts(folder);
  const differences = differencesOf(facts, plan);
  if (differences.length > 0) {
    const hint = "`--run` names another folder for a new run";
    throw fail("run-differs", { path: folder, differences: differences.join("; ") }, { hint });
  }
  removePartials(folder);
  return open(folder, { stepsPerCall: facts.stepsPerCall, threads: facts.threads });
}

function open(folder: string, settings: RunSettings): Run {
  const path = join(folder, files.checkpoint);
  const checkpoint = readCheckpoint(path);
  const log = openLog(join(folder, files.log), checkpoint);
  return {
    settings,
    checkpoint,
    log,
    async save(next) {
      log.flush();
      await writeCheckpoint(path, next);
    },
    chartPath: join(folder, files.chart),
  };
}

function readFacts(folder: string): RunPlan & RunSettings {
  const path = join(folder, files.facts);
  if (!existsSync(path)) throw fail("run-missing", { path: folder });
  const facts = parse(readText(path));
  if (facts === null) throw fail("run-damaged", { path, why: "it is no JSON object" });
  if (facts.version !== version) {
    throw fail("run-damaged", { path, why: `its format is ${facts.version}, not ${version}` });
  }
  if (!isPositive(facts.stepsPerCall) || !isPositive(facts.threads)) {
    throw fail("run-damaged", { path, why: "it does not say how steps are taken" });
  }
  return facts as unknown as RunPlan & RunSettings;
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw asReadFailure(path, cause);
  }
}

function parse(text: string): Record<string, Json> | null {
  try {
    const value = JSON.parse(text);
    return typeof value === "object" && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

function isPositive(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

/** `the seed is 1 and was 0`, one for each fact that differs. */
function differencesOf(was: RunPlan, is: RunPlan): string[] {
  const recipe = recipeDifferences(was.recipe, is.recipe);
  return [
    ...(was.model === is.model ? [] : ["the model is another"]),
    ...recipe,
    // The recipe is part of the edits' text: what is different there is named already.
    ...(was.edits === is.edits || recipe.length > 0 ? [] : ["the edits are others"]),
    ...(was.seed === is.seed ? [] : [`the seed is ${is.seed} and was ${was.seed}`]),
  ];
}

function recipeDifferences(was: Json, is: Json): string[] {
  const [before, now] = [leaves(was), leaves(is)];
  const keys = [...new Set([...before.keys(), ...now.keys()])];
  const value = (facts: ReadonlyMap<string, string>, key: string) => facts.get(key) ?? "not given";
  return keys
    .filter((key) => before.get(key) !== now.get(key))
    .map((key) => `\`${key}\` is ${value(now, key)} and was ${value(before, key)}`);
}

/** `distill.lr` -> `0.0001` */
function leaves(value: Json, path = ""): Map<string, string> {
  if (typeof value !== "object" || value === null) return new Map([[path, JSON.stringify(value)]]);
  const entries = Object.entries(value).flatMap(([key, inner]) => [
    ...leaves(inner, path ? `${path}.${key}` : key),
  ]);
  return new Map(entries);
}

/** What a killed run was writing. */
function removePartials(folder: string): void {
  for (const name of readdirSync(folder)) {
    const isOurs = Object.values(files).some((file) => name.startsWith(`.${file}.`));
    if (isOurs && name.endsWith(".partial")) rmSync(join(folder, name), { force: true });
  }
}

/** SHA-256 over these bytes, one after the other. */
export function fingerprintOf(parts: Iterable<string | Uint8Array>): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
}
