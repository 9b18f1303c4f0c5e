/** `graftc MODEL EDITS... -o OUT`: read, parse, plan, edit, prove, write. */
import { createHash } from "node:crypto";
import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { loadWeights, type WeightFile } from "../passes/load-weights.ts";
import { applyEdits, type EditReport } from "../passes/pipeline.ts";
import {
  type Comparison,
  compareModels,
  type Device,
  loads,
  parseDevice,
} from "../runtime/index.ts";
import { type Diagnostic, fail, GraftError, Reporter } from "./diag/diagnostic.ts";
import { placeOf } from "./diag/span.ts";
import { dissect } from "./dissect.ts";
import { loadEdits, type Settings } from "./edits.ts";
import type { Explanation } from "./explain/explanation.ts";
import type { Model } from "./ir/graph.ts";
import { flops, nodeCount, parameters, weightBytes } from "./measure/index.ts";
import { beginWrite, type External, readModel, readSafetensors, type Write } from "./onnx/index.ts";
import { checkEnsures, type Plan, type Program, parseAnalysis, planEdits } from "./plan/index.ts";

export interface CompileOptions {
  /** The ONNX model; external data lies beside it. */
  readonly model: string;
  /** `.graft` files, applied in order. None: the model is copied. */
  readonly edits: readonly string[];
  /** Where the result goes; may be left out with `dryRun`. */
  readonly out?: string | null | undefined;
  /** Values of params, as `--set` has them. */
  readonly set?: Settings | undefined;
  /** Of new weights; 0 unless said. */
  readonly seed?: number | undefined;
  readonly external?: External | undefined;
  /** Plan, edit and prove, but write nothing. */
  readonly dryRun?: boolean | undefined;
  /** Run both models on random inputs and compare. */
  readonly verify?: boolean | undefined;
  /** `FILE.safetensors` or `FILE.safetensors@blocks[1].attn`. */
  readonly weights?: readonly string[] | undefined;
  readonly weightsPartial?: boolean | undefined;
  /** The report of `graftc analyze` that selections rank by. */
  readonly analysis?: string | undefined;
  /** `cpu` or `cuda[:N]`, for `verify`. */
  readonly device?: string | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Figures {
  readonly nodes: number;
  readonly parameters: number;
  readonly bytes: number;
  /** 2 per multiply-add at batch 1. */
  readonly flops: number;
}

export interface CompileResult {
  readonly model: string;
  readonly out: string | null;
  readonly edits: readonly EditReport[];
  readonly before: Figures;
  readonly after: Figures;
  readonly bytesWritten: number;
  readonly verification: Comparison | null;
  /** Recipe blocks, which compiling does not run. */
  readonly recipes: readonly { readonly stage: "distill" | "finetune"; readonly place: string }[];
  /** Why each selection matched, and the nearest misses. */
  readonly explanations: readonly Explanation[];
  /** Warnings and notes; an error throws. */
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Compiles a model: applies the edits in the order written, proves the result and writes it.
 * Nothing is published before everything is proven; an `out` that was there stays until then.
 * @throws GraftError with every diagnostic of the step that failed.
 */
export async function compile(options: CompileOptions): Promise<CompileResult> {
  if (options.verify && options.dryRun) {
    throw fail("wrong-usage", { what: "a dry run writes no model that --verify could run" });
  }
  const { program, diagnostics } = loadEdits(options.edits, options.set);
  const opening = opener(options);
  try {
    const work =
      isEmpty(program) && !options.weights?.length
        ? await untouched(options, opening)
        : await edited(options, program, opening);
    const after = figuresOf(work.model);
    const published = await publish(work, options, opening.write);
    return {
      model: options.model,
      out: opening.write ? options.out! : null,
      edits: work.edits,
      before: work.before,
      after,
      ...published,
      recipes: work.recipes,
      explanations: work.explanations,
      diagnostics: [...diagnostics, ...work.diagnostics, ...published.diagnostics],
    };
  } finally {
    opening.write?.abandon();
  }
}

/** The write, begun as soon as it is clear that there is something to write. */
interface Opening {
  begin(model: Model): void;
  readonly write: Write | null;
}

function opener({ out, dryRun, external, onProgress, signal }: CompileOptions): Opening {
  let write: Write | null = null;
  return {
    begin(model) {
      if (dryRun || out === undefined || out === null) return;
      write = beginWrite(model, out, { external, onProgress, signal });
    },
    get write() {
      return write;
    },
  };
}

/** A model in memory, ready to be written. */
type Work = Pick<CompileResult, "edits" | "before" | "recipes" | "explanations" | "diagnostics"> & {
  readonly model: Model;
  readonly keepsFunction: boolean;
};

function isEmpty({ edits, rewrites, expects, ensures, recipes }: Program): boolean {
  return [edits, rewrites, expects, ensures, recipes].every((steps) => steps.length === 0);
}

/** Nothing is asked of the model, so nothing is asked about it: whatever it holds is copied. */
async function untouched(options: CompileOptions, opening: Opening): Promise<Work> {
  const model = await readModel(options.model);
  opening.begin(model);
  const nothing = { edits: [], recipes: [], explanations: [], diagnostics: [] };
  return { model, keepsFunction: true, before: figuresOf(model), ...nothing };
}

async function edited(options: CompileOptions, program: Program, opening: Opening): Promise<Work> {
  const report = options.analysis === undefined ? null : readAnalysis(options.analysis);
  const { model, anatomy, oracle } = await dissect(options.model);
  options.signal?.throwIfAborted();
  const before = figuresOf(model);
  const sha256 = () => digestOf(options.model);
  const planned = planEdits(program, model, anatomy, { report, sha256 });
  if (!planned.plan) throw new GraftError(planned.diagnostics);
  const { plan, explanations } = planned;
  opening.begin(model);
  const applied = await applyEdits(model, plan, { oracle, seed: options.seed ?? 0 });
  const files = (options.weights ?? []).map(weightFile);
  const loading = { anatomy, added: applied.weights, partial: options.weightsPartial ?? false };
  const notes = files.length > 0 ? loadWeights(model, files, loading) : [];
  checkBounds(model, plan);
  return {
    model,
    before,
    explanations,
    edits: applied.edits,
    keepsFunction: applied.keepsFunction && files.length === 0,
    recipes: plan.recipes.map(({ stage, statement }) => ({
      stage,
      place: placeOf(statement.span),
    })),
    diagnostics: [...planned.diagnostics, ...applied.diagnostics, ...notes],
  };
}

function readAnalysis(path: string) {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw fail("not-a-report", { path, reason: (cause as Error).message });
  }
  return parseAnalysis(path, text);
}

/** `FILE.safetensors`, or `FILE.safetensors@blocks[1].attn`. */
function weightFile(given: string): WeightFile {
  const [, path = given, site = null] = /^(.+)@([^@/]*\[[^@/]*)$/.exec(given) ?? [];
  return { path, site, tensors: readSafetensors(path).tensors };
}

function checkBounds(model: Model, plan: Plan): void {
  const reporter = new Reporter();
  const figures = {
    parameters: () => parameters(model),
    flops: () => flops(model),
    bytes: () => figuresOf(model).bytes,
    blocks: () => blocksAfter(plan),
  };
  checkEnsures(plan.ensures, figures, reporter);
  reporter.throwIfFailed();
}

/** Blocks of the result: a parallel pair counts as two, every copy of `repeat` as one. */
function blocksAfter({ anatomy, edits }: Plan): number {
  const blocks = anatomy.stacks.reduce((sum, stack) => sum + stack.blocks.length, 0);
  return edits.reduce((count, edit) => {
    const whole = edit.sites.filter(({ part }) => part === null).length;
    if (edit.verb === "remove") return count - whole;
    return edit.verb === "repeat" ? count + whole * (edit.times - 1) : count;
  }, blocks);
}

/** Everything is on disk under temporary names before the runtime is asked, and it before OUT is. */
async function publish(
  { model, edits, keepsFunction }: Work,
  { model: input, verify, device = "cpu", seed = 0, signal }: CompileOptions,
  write: Write | null,
): Promise<Pick<CompileResult, "bytesWritten" | "verification" | "diagnostics">> {
  if (!write) return { bytesWritten: 0, verification: null, diagnostics: [] };
  await write.stage();
  let verification: Comparison | null = null;
  let unproven: Diagnostic | null = null;
  if (verify || edits.length > 0) {
    const path = await write.loadable();
    unproven = await loads(path, { original: input, nodes: model.graph.nodes.length });
    signal?.throwIfAborted();
    const files = { before: input, after: path, model };
    const settings = { seed, device: deviceOf(device), keepsFunction, signal };
    if (verify) verification = await compareModels(files, settings);
  }
  const { bytesWritten } = write.publish();
  return { bytesWritten, verification, diagnostics: unproven ? [unproven] : [] };
}

function deviceOf(text: string): Device {
  const device = parseDevice(text);
  if (!device) throw fail("wrong-usage", { what: `there is no device \`${text}\`` });
  return device;
}

function figuresOf(model: Model): Figures {
  return {
    nodes: nodeCount(model),
    parameters: parameters(model),
    bytes: weightBytes(model),
    flops: flops(model),
  };
}

function digestOf(path: string): string {
  const hash = createHash("sha256");
  const file = openSync(path, "r");
  const chunk = Buffer.allocUnsafe(1 << 20);
  for (let n = readSync(file, chunk); n > 0; n = readSync(file, chunk)) {
    hash.update(chunk.subarray(0, n));
  }
  closeSync(file);
  return hash.digest("hex");
}
