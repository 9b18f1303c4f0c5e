/** From a file and a program to an edited model in memory: what compiling and training share. */
import { createHash } from "node:crypto";
import { closeSync, existsSync, openSync, readSync, realpathSync } from "node:fs";
import type { Inline } from "../passes/inline.ts";
import { loadWeights, type WeightFile } from "../passes/load-weights.ts";
import { applyEdits, type Report } from "../passes/pipeline.ts";
import { unfuse } from "../passes/unfuse.ts";
import { type Anatomy, anatomize } from "./anatomy/index.ts";
import { type Diagnostic, diagnostic, fail, GraftError } from "./diag/diagnostic.ts";
import { type Dissected, dissectModel } from "./dissect.ts";
import type { Explanation } from "./explain/explanation.ts";
import type { Model } from "./ir/graph.ts";
import type { Oracle } from "./ir/oracle.ts";
import { asReadFailure } from "./onnx/disk-file.ts";
import { dataFileOf, readModel, readSafetensors } from "./onnx/index.ts";
import {
  type Plan,
  type PlanOptions,
  type PlanResult,
  type Program,
  parseAnalysis,
  planEdits,
} from "./plan/index.ts";
import { readText } from "./text-file.ts";

export interface EditingOptions {
  /** The ONNX model; external data lies beside it. */
  readonly model: string;
  /** Of new weights; 0 unless said. */
  readonly seed?: number | undefined;
  /** `FILE.safetensors` or `FILE.safetensors@blocks[1].attn`. */
  readonly weights?: readonly string[] | undefined;
  readonly weightsPartial?: boolean | undefined;
  /** The report of `graftc analyze` that selections rank by. */
  readonly analysis?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

type Host = Pick<Dissected, "model" | "anatomy" | "oracle">;

export interface EditedModel {
  readonly model: Model;
  /** Of the model before its edits. */
  readonly anatomy: Anatomy;
  readonly oracle: Oracle;
  readonly plan: Plan;
  readonly report: Report;
  readonly explanations: readonly Explanation[];
  /** Tensors of `weights`. */
  readonly weightsLoaded: number;
  /** Warnings and notes; an error throws. */
  readonly diagnostics: readonly Diagnostic[];
  /** The model read anew and not edited; what the edits needed apart is. */
  original(): Promise<Host>;
}

export interface Stations {
  /** The model of the options where it is read already. */
  readonly model?: Model;
  /** Called when the edits are planned, and none is applied. */
  readonly planned?: () => void;
  /** Of the model's own functions; all of them unless said, for gradients pass none. */
  readonly inline?: Inline;
}

/** A model with a program planned on it, and no edit applied. */
type PlannedModel = Omit<EditedModel, "report" | "weightsLoaded" | "original">;

/**
 * Reads a model, plans the program on it and applies its edits; weights are loaded last.
 * @throws GraftError with every diagnostic of the step that failed.
 */
export async function editModel(
  options: EditingOptions,
  program: Program,
  stations: Stations = {},
): Promise<EditedModel> {
  const planned = await planModel(options, program, stations);
  const { model, anatomy, oracle, plan } = planned;
  const applied = await applyEdits(model, plan, {
    oracle,
    seed: options.seed ?? 0,
    signal: options.signal,
  });
  const files = (options.weights ?? []).map(weightFile);
  const loading = { anatomy, added: applied.weights, partial: options.weightsPartial ?? false };
  const loaded = files.length > 0 ? loadWeights(model, files, loading) : null;
  return {
    ...planned,
    report: applied,
    weightsLoaded: loaded?.count ?? 0,
    diagnostics: [...planned.diagnostics, ...applied.diagnostics, ...(loaded?.diagnostics ?? [])],
    original: () => planModel(options, program),
  };
}

async function planModel(
  options: EditingOptions,
  program: Program,
  { model: read, planned, inline = "all" }: Stations = {},
): Promise<PlannedModel> {
  const report = options.analysis === undefined ? null : readAnalysis(options.analysis);
  const host = read ?? (await readModel(options.model));
  const dissected = await dissectModel(host, options.signal, inline);
  const sha256 = () => digestOf([options.model]);
  const { plan, ...found } = planOn(program, dissected, { report, sha256 }, planned);
  if (!plan) throw new GraftError(found.diagnostics);
  const { model, oracle, inlined } = dissected;
  const notes = inlined > 0 ? [diagnostic("functions-inlined", { count: inlined })] : [];
  return { ...found, plan, model, oracle, diagnostics: [...notes, ...found.diagnostics] };
}

/**
 * The plan of a program on a model. What its edits need apart comes apart first, and is looked at anew.
 * @param planned called before that.
 * @returns also the anatomy that the plan speaks of.
 */
export function planOn(
  program: Program,
  { model, anatomy, oracle }: Host,
  options: PlanOptions,
  planned = () => {},
): PlanResult & { readonly anatomy: Anatomy } {
  const first = planEdits(program, model, anatomy, options);
  if (!first.plan) return { ...first, anatomy };
  planned();
  if (!unfuse(model, first.plan, oracle)) return { ...first, anatomy };
  const apart = anatomize(model);
  const blocks = ({ stacks }: Anatomy) =>
    stacks.map((stack) => `${stack.name}[${stack.blocks.length}]`).join();
  if (blocks(apart) !== blocks(anatomy)) {
    throw new Error(`${blocks(anatomy)} became ${blocks(apart)} where operators came apart`);
  }
  return { ...planEdits(program, model, apart, options), anatomy: apart };
}

function readAnalysis(path: string) {
  let text: string;
  try {
    text = readText(path);
  } catch (cause) {
    const failure = asReadFailure(path, cause);
    if (failure !== cause || !(cause instanceof Error)) throw failure;
    throw fail("not-a-report", { path, reason: cause.message });
  }
  return parseAnalysis(path, text);
}

/** `FILE.safetensors`, or `FILE.safetensors@blocks[1].attn`. */
function weightFile(given: string): WeightFile {
  const place = weightPlace(given);
  return { ...place, tensors: readSafetensors(place.path).tensors };
}

function weightPlace(given: string) {
  const [, path = given, site = null] = /^(.+)@([^@/]*\[[^@/]*)$/.exec(given) ?? [];
  return { path, site };
}

/**
 * OUT may be MODEL, but neither it nor its data any other file that the result is made from.
 * @param others of these, beside what all edited models are made from.
 * @throws GraftError `out-overwrites-input`
 */
export function refuseOverwrite(
  out: string | null | undefined,
  options: EditingOptions,
  { sources }: Program,
  others: readonly string[] = [],
): void {
  if (!out) return;
  const read = [...sources.map(({ path }) => path), ...filesBeside(options), ...others];
  const there = new Set(read.filter(existsSync).map((path) => realpathSync(path)));
  for (const written of [out, dataFileOf(out)]) {
    if (existsSync(written) && there.has(realpathSync(written))) {
      throw fail("out-overwrites-input", { out: written });
    }
  }
}

/** What the result is made from beside the model and the edits. */
export function filesBeside({ weights = [], analysis }: EditingOptions): string[] {
  const places = weights.map((given) => weightPlace(given).path);
  return analysis === undefined ? places : [...places, analysis];
}

/** Hex SHA-256 of files one after the other, read in pieces. */
export function digestOf(paths: readonly string[]): string {
  const hash = createHash("sha256");
  const chunk = Buffer.allocUnsafe(1 << 20);
  for (const path of paths) {
    const file = openSync(path, "r");
    for (let n = readSync(file, chunk); n > 0; n = readSync(file, chunk)) {
      hash.update(chunk.subarray(0, n));
    }
    closeSync(file);
  }
  return hash.digest("hex");
}
