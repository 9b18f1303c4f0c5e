/** What compiling and training end with: bounds are held, the model is proven, and put in place. */
import {
  type Comparison,
  compareModels,
  type Device,
  fittingInputs,
  loads,
} from "../runtime/index.ts";
import { type Diagnostic, diagnostic, Reporter } from "./diag/diagnostic.ts";
import type { EditingOptions } from "./editing.ts";
import type { Model } from "./ir/graph.ts";
import { flops, parameters } from "./measure/index.ts";
import { type External, filesOf, type Write, writtenBytes } from "./onnx/index.ts";
import { checkEnsures, type Plan } from "./plan/index.ts";

export interface PublishOptions extends Pick<EditingOptions, "model" | "seed" | "signal"> {
  /** Where the result goes; may be left out with `dryRun`. */
  readonly out?: string | null | undefined;
  readonly external?: External | undefined;
  /** Plan, edit, prove and measure, but write nothing. */
  readonly dryRun?: boolean | undefined;
  /** Run both models on random inputs and compare. */
  readonly verify?: boolean | undefined;
  /** `cpu` or `cuda[:N]`. */
  readonly device?: string | undefined;
}

/** A model in memory, ready to be written. */
export interface Publishable {
  readonly model: Model;
  /** Whether anything was done to it. */
  readonly edited: boolean;
  readonly keepsFunction: boolean;
}

/** @throws GraftError with every `ensure` that does not hold. */
export function checkBounds(model: Model, plan: Plan, options: PublishOptions): void {
  const reporter = new Reporter();
  const figures = {
    parameters: () => parameters(model),
    flops: () => flops(model),
    bytes: () => sizeOf(model, options),
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

export interface Published {
  readonly size: number;
  readonly bytesWritten: number;
  readonly verification: Comparison | null;
  readonly diagnostics: readonly Diagnostic[];
}

/** Everything is on disk under temporary names before the runtime is asked, and it before OUT is. */
export async function publish(
  { model, edited, keepsFunction }: Publishable,
  options: Omit<PublishOptions, "device"> & { readonly device: Device },
  write: Write | null,
): Promise<Published> {
  const notes = nothingShared(model, options);
  if (!write) {
    const size = sizeOf(model, options);
    return { size, bytesWritten: 0, verification: null, diagnostics: notes };
  }
  const { model: input, verify, device, seed = 0, signal } = options;
  await write.stage();
  let loadable: string | null = null;
  let unproven: Diagnostic | null = null;
  if (verify || edited) {
    // What is compared runs at sizes of the comparison's own.
    const path = await write.loadable(verify ? undefined : fittingInputs(model.graph));
    loadable = path;
    const nodes = model.graph.nodes.length;
    const prove = () => loads(path, { shown: options.out!, original: input, nodes });
    // Loading reads small weights only; one that is still to be copied may be what it trips over.
    unproven = await prove().catch(() => write.settle().then(prove));
    signal?.throwIfAborted();
  }
  await write.settle();
  let verification: Comparison | null = null;
  if (verify && loadable) {
    const files = { before: input, after: loadable, model };
    const settings = { seed, device, keepsFunction, signal };
    verification = await compareModels(files, settings);
  }
  const { bytesWritten, size, left } = write.publish();
  if (unproven) notes.push(unproven);
  if (left !== null) notes.push(diagnostic("data-left", { path: left, out: options.out! }));
  return { bytesWritten, size, verification, diagnostics: notes };
}

/** A model that keeps its weights inside has no file that the output could point at. */
function nothingShared(model: Model, { external }: Pick<PublishOptions, "external">): Diagnostic[] {
  if (external !== "share" || filesOf(model).length > 1) return [];
  return [diagnostic("nothing-shared", { model: model.path })];
}

function sizeOf(model: Model, { out, external }: Pick<PublishOptions, "out" | "external">): number {
  return writtenBytes(model, out ?? null, external);
}
