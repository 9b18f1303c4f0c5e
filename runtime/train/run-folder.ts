/** A run's folder: what is trained and how (`run.json`), its last checkpoint, its log and chart. */
import { createHash } from "node:crypto";
import {
  existsSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fail, GraftError } from "../../src/diag/diagnostic.ts";
import { asReadFailure } from "../../src/onnx/disk-file.ts";
import { makeFolder } from "../../src/onnx/make-folder.ts";
import { replaceFile } from "../../src/onnx/replace-file.ts";
import { asWriteFailure } from "../../src/onnx/temporary.ts";
import { anew, type Checkpoint, readCheckpoint, writeCheckpoint } from "./checkpoint.ts";
import { type Log, type LogRow, type Moment, openLog, readLog } from "./log.ts";
import { drawLossChart } from "./loss-chart.ts";

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
  /** Names, types and shapes of the data. */
  readonly data: string;
  /** SHA-256 of the edits' text. */
  readonly edits: string;
  readonly seed: number;
}

/** What a run keeps as it began, whatever the machine is that resumes it: the bits depend on it. */
export interface RunSettings {
  /** Steps that one call of the runtime takes. */
  readonly stepsPerCall: number;
  readonly threads: number;
  /** Bytes that were free: they say which sites go together. */
  readonly memory: number;
}

export interface Run {
  readonly settings: RunSettings;
  /** Null where no step has been kept. */
  readonly checkpoint: Checkpoint | null;
  readonly log: Log;
  readonly folder: string;
  /** All of it is done: what it learned is there, and nothing to go on from. */
  readonly finished: boolean;
  /** Of the last checkpoint. */
  readonly kept: Moment | null;
  /** Puts a checkpoint in the place of the last. Its log is on the disk before it is. */
  save(checkpoint: Checkpoint): Promise<void>;
  /** Of a stage, as the log has them. */
  rows(stage: number): LogRow[];
  /** Draws the chart of what the log has. @param titles of the stages. */
  draw(titles: readonly string[]): Promise<void>;
  /** Marks the run as finished; its checkpoint, which nobody needs any more, goes. */
  finish(): Promise<void>;
  /** Closes it; a folder where nothing has been learned yet is not left behind. */
  close(): void;
}

type Facts = RunPlan & RunSettings & { readonly finished?: boolean };

const version = 2;
const files = {
  facts: "run.json",
  checkpoint: "checkpoint.safetensors",
  log: "log.jsonl",
  chart: "loss.svg",
} as const;

/**
 * A run that is finished, or never came to a checkpoint, makes way.
 * @throws GraftError where the folder holds a run to go on with, or cannot be written.
 */
export async function beginRun(folder: string, plan: RunPlan, settings: RunSettings): Promise<Run> {
  const path = join(folder, files.facts);
  refuseRun(folder);
  try {
    makeFolder(folder);
  } catch (cause) {
    throw asWriteFailure(folder, cause);
  }
  const facts = `${JSON.stringify({ version, ...plan, ...settings }, null, 2)}\n`;
  // The facts go first: without them, nothing that is left over is taken for a run.
  for (const name of [files.facts, files.checkpoint, files.log, files.chart]) {
    rmSync(join(folder, name), { force: true });
  }
  await replaceFile(path, true, (descriptor) => writeFileSync(descriptor, facts));
  return open(folder, settings, false);
}

/** What has been trained for hours is not lost to a command that was typed twice. */
function refuseRun(folder: string): void {
  const path = join(folder, files.facts);
  if (!existsSync(path) || !existsSync(join(folder, files.checkpoint))) return;
  const moment = momentOf(join(folder, files.checkpoint));
  const notes = moment ? [`its checkpoint is of stage ${moment.stage}, step ${moment.step}`] : [];
  const hint = "`--resume` goes on with it, `--run` names another folder";
  throw fail("run-exists", { path: folder }, { hint, notes });
}

function momentOf(path: string): Moment | null {
  try {
    return readCheckpoint(path);
  } catch (cause) {
    if (cause instanceof GraftError) return null;
    throw cause;
  }
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
  const { stepsPerCall, threads, memory, finished = false } = facts;
  return open(folder, { stepsPerCall, threads, memory }, finished);
}

function open(folder: string, settings: RunSettings, finished: boolean): Run {
  const [facts, path, logPath, chart] = [files.facts, files.checkpoint, files.log, files.chart].map(
    (name) => join(folder, name),
  ) as [string, string, string, string];
  const checkpoint = finished ? null : readCheckpoint(path);
  const log = openLog(logPath, finished ? "whole" : checkpoint);
  let kept: Moment | null = checkpoint;
  return {
    settings,
    checkpoint,
    log,
    folder,
    finished,
    get kept() {
      return kept;
    },
    async save(next) {
      log.flush();
      await writeCheckpoint(path, next);
      kept = { stage: next.stage, step: next.step };
    },
    rows: (stage) => readLog(logPath).filter((row) => row.stage === stage),
    async draw(titles) {
      const svg = await drawLossChart(readLog(logPath), titles);
      await replaceFile(chart, false, (descriptor) => writeFileSync(descriptor, svg));
    },
    async finish() {
      const text = JSON.stringify({ ...readFacts(folder), finished: true }, null, 2);
      await replaceFile(facts, true, (descriptor) => writeFileSync(descriptor, `${text}\n`));
      rmSync(path, { force: true });
    },
    close() {
      log.close();
      if (finished || kept || statSync(logPath).size > 0) return;
      for (const each of [facts, logPath]) rmSync(each, { force: true });
      if (readdirSync(folder).length === 0) rmdirSync(folder);
    },
  };
}

function readFacts(folder: string): Facts {
  const path = join(folder, files.facts);
  if (!existsSync(path)) {
    throw fail("run-missing", { path: folder }, { hint: "without `--resume` one begins" });
  }
  const facts = parse(readText(path));
  const damaged = (why: string) => fail("run-damaged", { path, why }, { hint: anew });
  if (facts === null) throw damaged("it is no JSON object");
  if (facts.version !== version) {
    throw damaged(`its format is ${facts.version}, not ${version}`);
  }
  if (![facts.stepsPerCall, facts.threads, facts.memory].every(isPositive)) {
    throw damaged("it does not say how steps are taken");
  }
  return facts as unknown as Facts;
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
    ...(was.data === is.data ? [] : [`the data is ${is.data} and was ${was.data}`]),
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
    .map((key) => `\`${asWritten(key)}\` is ${value(now, key)} and was ${value(before, key)}`);
}

/** `distill.length.steps` -> `distill.steps`, `finetune.labelDrop` -> `finetune.label_drop`. */
function asWritten(key: string): string {
  return key.replace(".length.", ".").replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
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
