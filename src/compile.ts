/** `graftc MODEL EDITS... -o OUT`: read, parse, plan, edit, prove, write. */
import type { EditReport } from "../passes/pipeline.ts";
import type { Comparison } from "../runtime/index.ts";
import { deviceOf } from "./device.ts";
import { type Diagnostic, fail, GraftError } from "./diag/diagnostic.ts";
import { placeOf } from "./diag/span.ts";
import { type EditingOptions, editModel, refuseOverwrite } from "./editing.ts";
import type { EditsOptions } from "./edits.ts";
import type { Explanation } from "./explain/explanation.ts";
import type { Model } from "./ir/graph.ts";
import { flops, nodeCount, parameters } from "./measure/index.ts";
import { beginWrite, bytesRead, readModel, type Write } from "./onnx/index.ts";
import { checkOptions } from "./options.ts";
import type { Program } from "./plan/index.ts";
import { checkBounds, type PublishOptions, publish } from "./publish.ts";

/** Without edits, the model is copied; `device` is for `verify`. */
export interface CompileOptions extends EditingOptions, EditsOptions, PublishOptions {
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

export interface Figures {
  readonly nodes: number;
  readonly parameters: number;
  /** Of the model file and the data files that it refers to. */
  readonly bytes: number;
  /** 2 per multiply-add at batch 1; null where nothing was asked of the model: its shapes are not known. */
  readonly flops: number | null;
}

export interface CompileResult {
  readonly model: string;
  readonly out: string | null;
  readonly edits: readonly EditReport[];
  readonly before: Figures;
  readonly after: Figures;
  /** Tensors of `weights` that the result has. */
  readonly weightsLoaded: number;
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
  checkOptions("compile", options);
  if (!options.out && !options.dryRun) {
    throw fail("out-missing", {}, { hint: "`out` says where to write; with `dryRun` nothing is" });
  }
  if (options.verify && options.dryRun) {
    throw fail("wrong-usage", { what: "A dry run writes no model that --verify could run" });
  }
  const device = deviceOf(options.device ?? "cpu");
  const opening = opener(options);
  try {
    const { model, program, diagnostics } = await begin(options, opening);
    refuseOverwrite(options.out, options, program);
    const work =
      isEmpty(program) && !options.weights?.length
        ? untouched(model)
        : await edited(options, program, model);
    const { size, ...published } = await publish(
      { ...work, edited: work.edits.length > 0 },
      { ...options, device },
      opening.write,
    );
    return {
      model: options.model,
      out: opening.write ? options.out! : null,
      edits: work.edits,
      before: work.before,
      after: figuresOf(work.model, size, work.typed),
      weightsLoaded: work.weightsLoaded,
      ...published,
      recipes: work.recipes,
      explanations: work.explanations,
      diagnostics: [...diagnostics, ...work.diagnostics, ...published.diagnostics],
    };
  } finally {
    opening.write?.abandon();
  }
}

/**
 * Reads the model and the edits: a mistake in one is no reason to be silent about the other. The
 * grammar is loaded when the copy of the model's data has begun.
 */
async function begin(options: CompileOptions, opening: Opening) {
  const mistakes: Diagnostic[] = [];
  const attempt = async <T>(step: () => T | Promise<T>): Promise<T | undefined> => {
    try {
      return await step();
    } catch (cause) {
      if (!(cause instanceof GraftError)) throw cause;
      mistakes.push(...cause.diagnostics);
      return undefined;
    }
  };
  const model = await attempt(async () => {
    const read = await readModel(options.model);
    opening.begin(read);
    return read;
  });
  const loaded = await attempt(async () => {
    const { loadEdits } = await import("./edits.ts");
    return loadEdits(options.edits, options.set);
  });
  if (!model || !loaded) throw new GraftError(mistakes);
  return { model, ...loaded };
}

/** The write, begun as soon as the model is read. */
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
type Work = Pick<
  CompileResult,
  "edits" | "before" | "weightsLoaded" | "recipes" | "explanations" | "diagnostics"
> & {
  readonly model: Model;
  readonly keepsFunction: boolean;
  /** Its values have their types, which FLOPs follow from. */
  readonly typed: boolean;
};

function isEmpty({ edits, rewrites, expects, ensures, recipes }: Program): boolean {
  return [edits, rewrites, expects, ensures, recipes].every((steps) => steps.length === 0);
}

/** Nothing is asked of the model, so nothing is asked about it: whatever it holds is copied. */
function untouched(model: Model): Work {
  const before = figuresOf(model, bytesRead(model), false);
  const nothing = { edits: [], weightsLoaded: 0, recipes: [], explanations: [], diagnostics: [] };
  return { model, keepsFunction: true, typed: false, before, ...nothing };
}

async function edited(options: CompileOptions, program: Program, model: Model): Promise<Work> {
  let before: Figures | undefined;
  const nodes = nodeCount(model);
  const work = await editModel(options, program, {
    model,
    inline: "blocks",
    planned() {
      before = { ...figuresOf(model, bytesRead(model), true), nodes };
    },
  });
  const { plan, report, weightsLoaded, explanations, diagnostics } = work;
  checkBounds(model, plan, options);
  return {
    model,
    typed: true,
    before: before!,
    weightsLoaded,
    explanations,
    edits: report.edits,
    keepsFunction: report.keepsFunction && !options.weights?.length,
    recipes: plan.recipes.map(({ stage, statement }) => ({
      stage,
      place: placeOf(statement.span),
    })),
    diagnostics,
  };
}

function figuresOf(model: Model, bytes: number, typed: boolean): Figures {
  return {
    nodes: nodeCount(model),
    parameters: parameters(model),
    bytes,
    flops: typed ? flops(model) : null,
  };
}
