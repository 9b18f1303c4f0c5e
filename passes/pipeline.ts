/**
 * The edits of a plan, in the order written, each through a patch; then what makes the result whole:
 *
 *   1. the edits, because each may build on what those before it left;
 *   2. types inferred anew, because values behind an edit may have other shapes, declared ones too;
 *   3. proof, because nothing is written that was not checked;
 *   4. the record of the edits in the model, last, because only a proven result may claim them.
 */
import { scopeAt } from "../src/anatomy/naming.ts";
import { GraftError, Reporter } from "../src/diag/diagnostic.ts";
import { plural } from "../src/diag/figures.ts";
import { positionOf } from "../src/diag/span.ts";
import { breath } from "../src/ir/breath.ts";
import type { Model } from "../src/ir/graph.ts";
import type { Oracle } from "../src/ir/oracle.ts";
import { sortTopologically } from "../src/ir/order.ts";
import { flops } from "../src/measure/index.ts";
import type { Plan, PlannedEdit, Site } from "../src/plan/plan.ts";
import { applyGraft } from "./apply-grafts.ts";
import { readElsewhere, sizesLeft } from "./graph/left-sizes.ts";
import { freeRuntimeNames } from "./graph/runtime-names.ts";
import { openLedger, type WeightLedger } from "./graph/weight-ledger.ts";
import { inferTypes } from "./infer-types.ts";
import { parallelize } from "./parallelize.ts";
import { prove, signatureOf } from "./prove.ts";
import { recordEdits } from "./record-edits.ts";
import { atItsLine } from "./refusals.ts";
import { remove } from "./remove.ts";
import { repeat } from "./repeat.ts";
import { resize } from "./resize.ts";
import { sayOnce } from "./say-once.ts";
import {
  type AddedWeight,
  commit,
  openSession,
  patchFor,
  type Session,
  siteNodes,
} from "./session.ts";

export interface EditContext {
  readonly oracle: Oracle;
  /** Of the random streams of new weights. */
  readonly seed: number;
  readonly signal?: AbortSignal | undefined;
}

/** One statement and what it did: a row of compile's JSON. */
export interface EditReport {
  /** As the user gave it. */
  readonly file: string;
  readonly line: number;
  readonly text: string;
  readonly sites: readonly string[];
  readonly parametersAdded: number;
  readonly parametersRemoved: number;
  /** Of the sites, at batch 1, before the statement and in the result. */
  readonly flopsBefore: number;
  /** Where a later statement edits one of the blocks again: as they were before it did. */
  readonly flopsAfter: number;
}

export interface Report {
  readonly edits: readonly EditReport[];
  /** Weights that edits made, in the order of making: what `--weights` must fill. */
  readonly weights: readonly AddedWeight[];
  /** Whether every edit leaves the function as it was, so that `--verify` holds it to that. */
  readonly keepsFunction: boolean;
  /** Warnings and notes. */
  readonly diagnostics: Reporter["diagnostics"];
  /** What moved where, for passes that follow. */
  readonly session: Session;
}

/**
 * Changes `model` as the plan says. Its values must have types (`inferTypes`).
 * @throws GraftError with the mistakes of all statements; the model is then half edited and of no use.
 */
export async function applyEdits(model: Model, plan: Plan, context: EditContext): Promise<Report> {
  const reporter = new Reporter();
  const session = openSession(model, context.oracle, context.seed, reporter);
  const before = signatureOf(model);
  // Some converters append their casts behind what reads them; passes walk in order.
  sortTopologically(model.graph);
  const rows: EditReport[] = [];
  const ledger = openLedger(model);
  for (const edit of plan.edits) rows.push(await applyOne(edit, session, ledger, context.signal));
  reporter.throwIfFailed();
  if (session.grown.size > 0) freeRuntimeNames(model);
  await inferTypes(model, context.oracle).catch((cause) => {
    throw atItsLine(cause, model, plan);
  });
  prove(model, before);
  recordEdits(model, plan, context.seed);
  const edits = rows.map((row, i) => {
    const edit = plan.edits[i]!;
    if (isEditedAgain(edit, plan.edits.slice(i + 1))) return row;
    return { ...row, flopsAfter: flops(model, siteNodes(session, edit)) };
  });
  const { diagnostics } = reporter;
  const keepsFunction = plan.edits.every((edit) => session.kept.has(edit));
  if (!keepsFunction) warnOfRanges(model, reporter);
  return { edits, weights: [...session.weights.values()], keepsFunction, diagnostics, session };
}

/** What another runtime measured for a quantised model holds for the model that it was. */
function warnOfRanges({ graph }: Model, reporter: Reporter): void {
  const count = graph.nodes.filter(({ op }) => op === "QuantizeLinear").length;
  if (count === 0) return;
  const hint = "edit the model before it is quantised, or calibrate the result anew";
  reporter.report("ranges-of-before", { nodes: plural(count, "QuantizeLinear node") }, { hint });
}

/** Nodes that a later statement removed or replaced say nothing of an earlier one. */
function isEditedAgain(edit: PlannedEdit, later: readonly PlannedEdit[]): boolean {
  const blocks = new Set(edit.sites.map(({ block }) => block));
  const whole = (site: PlannedEdit["sites"][number]) => !site.part && blocks.has(site.block);
  return later.some(({ sites }) => sites.some(whole));
}

/** A statement's first mistake ends it; the next one is tried all the same. */
async function applyOne(
  edit: PlannedEdit,
  session: Session,
  ledger: WeightLedger,
  signal: AbortSignal | undefined,
): Promise<EditReport> {
  const { model, reporter } = session;
  const flopsBefore = flops(model, siteNodes(session, edit));
  const first = reporter.diagnostics.length;
  try {
    if (await applyTo(edit, session, signal)) session.kept.add(edit);
  } catch (cause) {
    if (!(cause instanceof GraftError)) throw cause;
    reporter.diagnostics.push(...cause.diagnostics);
  }
  const said = reporter.diagnostics.splice(first);
  reporter.diagnostics.push(...sayOnce(said, edit.sites));
  const { source, start, end } = edit.statement.span;
  const { added, removed } = ledger.changes(model);
  return {
    file: source.path,
    line: positionOf(source, start).line,
    text: source.text.slice(start, end),
    sites: edit.sites.map((site) => site.label),
    parametersAdded: added,
    parametersRemoved: removed,
    flopsBefore,
    flopsAfter: reporter.failed ? 0 : flops(model, siteNodes(session, edit)),
  };
}

/** @returns whether every site computes what it did before. */
async function applyTo(
  edit: PlannedEdit,
  session: Session,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const kept: boolean[] = [];
  if (edit.verb === "parallelize") {
    for (const pair of edit.pairs) {
      await breath(signal);
      parallelize(edit, pair, session);
    }
    return edit.pairs.length === 0;
  }
  for (const site of edit.sites) {
    await breath(signal);
    kept.push(await applyAt(edit, site, session));
    leaveNothing(edit, site, session);
  }
  return !kept.includes(false);
}

/** What left its place is not computed any more for a size that can be read elsewhere. */
function leaveNothing(edit: PlannedEdit, site: Site, session: Session): void {
  if (edit.verb !== "replace" && edit.verb !== "remove") return;
  const sources = sizesLeft((site.part ?? site.block).nodes, session.model.graph);
  if (sources.size === 0) return;
  const patch = patchFor(session, edit, site, scopeAt(site));
  readElsewhere(sources, patch);
  commit(session, patch, site);
}

function applyAt(
  edit: Exclude<PlannedEdit, { verb: "parallelize" }>,
  site: Site,
  session: Session,
): boolean | Promise<boolean> {
  switch (edit.verb) {
    case "replace":
      return applyGraft(edit, site, session);
    case "resize":
      return resize(edit, site, session);
    case "repeat":
      return repeat(edit, site, session);
    case "remove":
      remove(edit, site, session);
      return false;
  }
}
