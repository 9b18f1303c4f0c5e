/** The tree and the anatomy -> a plan, or diagnostics; several in one run. */
import type * as ast from "../../grammar/ast.ts";
import type { Anatomy } from "../anatomy/anatomy.ts";
import { scopeAt } from "../anatomy/naming.ts";
import { type Diagnostic, fail, Reporter } from "../diag/diagnostic.ts";
import type { Explanation } from "../explain/explanation.ts";
import type { Model, Value } from "../ir/graph.ts";
import { dtypes, showType } from "../ir/types.ts";
import type { AnalysisReport } from "./analysis.ts";
import type { Ledger } from "./conflicts.ts";
import { checkEdit, type EditContext, planEdit } from "./edits.ts";
import { checkExpect, planEnsure, readExpect } from "./expectations.ts";
import type { Program, Step } from "./load.ts";
import { checkFor } from "./operator-use.ts";
import type { Plan, PlannedRecipe } from "./plan.ts";
import { planRecipe } from "./recipes.ts";
import { checkRewrite } from "./rewrites.ts";
import { didYouMean, listNames } from "./suggestions.ts";
import { foreseeTrain, planTrain } from "./train.ts";

export { type AnalysisReport, parseAnalysis } from "./analysis.ts";
export { checkEnsures, type Figures } from "./expectations.ts";
export { type Loaded, type LoadHost, loadProgram, type Program, type Step } from "./load.ts";
export type * from "./plan.ts";

export interface PlanOptions {
  /** The report that selections by measure read. */
  readonly report?: AnalysisReport | null;
  /** Hex digest of the model's file, for `expect { sha256 }`. */
  readonly sha256: () => string;
}

export interface PlanResult {
  /** null where any diagnostic is an error. */
  readonly plan: Plan | null;
  readonly diagnostics: readonly Diagnostic[];
  /** For `--explain`: one for each statement whose selection could be read. */
  readonly explanations: readonly Explanation[];
}

/** What the program's statements mean on this model. */
export function planEdits(
  program: Program,
  model: Model,
  anatomy: Anatomy,
  options: PlanOptions,
): PlanResult {
  const reporter = new Reporter();
  const explanations: Explanation[] = [];
  const selection = { anatomy, model: model.path, report: options.report ?? null };
  for (const { statement } of program.operators) checkFor(statement, reporter);
  for (const step of program.expects) {
    checkExpect(step, { model, anatomy, sha256: options.sha256 }, reporter);
  }
  const context: EditContext = { select: selection, ledger: new Map(), reporter, explanations };
  const edits = program.edits.flatMap((step) => planEdit(step, context) ?? []);
  const edited = edits.flatMap(({ sites }) => sites.map(scopeAt));
  for (const step of program.rewrites) refuseRewrite(step, reporter);
  const recipes = program.recipes.map((step) => {
    const recipe = planRecipe(
      step,
      (train) => {
        const context = { ...selection, params: step.scope.params };
        return planTrain(train, context, model, edited, explanations);
      },
      reporter,
    );
    checkInputs(recipe, model, reporter);
    return recipe;
  });
  const plan: Plan = {
    anatomy,
    edits,
    ensures: program.ensures.flatMap((step) => planEnsure(step, reporter)),
    recipes,
    sources: program.sources,
    settings: program.settings,
  };
  const { diagnostics } = reporter;
  return { plan: reporter.failed ? null : plan, diagnostics, explanations };
}

/** What can be said of a program without a model. */
export function checkProgram(program: Program): readonly Diagnostic[] {
  const reporter = new Reporter();
  for (const { statement } of program.operators) checkFor(statement, reporter);
  for (const step of program.expects) readExpect(step, reporter);
  const ledger: Ledger = new Map();
  for (const step of program.edits) checkEdit(step, ledger, reporter);
  for (const step of program.rewrites) checkRewrite(step, reporter);
  for (const step of program.ensures) planEnsure(step, reporter);
  for (const step of program.recipes) {
    const unplanned = { kind: "train", base: null, sites: [], names: [] } as const;
    planRecipe(
      step,
      (train) => {
        foreseeTrain(train, step.scope.params);
        return unplanned;
      },
      reporter,
    );
  }
  const stages = program.recipes.map(({ statement }) => statement);
  const twice = stages.find(({ stage }, i) => stages.findIndex((s) => s.stage === stage) < i);
  if (twice) reporter.report("recipe-twice", { stage: twice.stage }, { at: twice.span });
  return reporter.diagnostics;
}

/** Rewrites are checked, but nothing applies them yet; to skip one without a word would be wrong. */
function refuseRewrite(step: Step<ast.Rewrite>, reporter: Reporter): void {
  const { statement } = step;
  checkRewrite(step, reporter);
  reporter.report(
    "rewrite-unsupported",
    { name: statement.name.name },
    {
      at: statement.name.span,
      hint: "take it out to compile the rest",
    },
  );
}

function checkInputs({ statement, settings }: PlannedRecipe, model: Model, reporter: Reporter) {
  const value = settings.get("inputs");
  const entry = statement.record.entries.find(({ key }) => key.name === "inputs");
  if (value?.kind !== "inputs" || !entry) return;
  const known = model.graph.inputs.filter((input) => !input.initializer).map((input) => input.name);
  const names = [...value.inputs.values()];
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice)
    reporter.report("term-twice", { name: twice, what: "inputs" }, { at: entry.value.span });
  for (const [role, name] of value.inputs) {
    if (known.includes(name)) {
      const why = misfitOf(role, model.graph.values.get(name)!);
      if (why) reporter.report("input-misfit", { name, role, why }, { at: entry.value.span });
      continue;
    }
    const { diagnostics } = fail(
      "no-such-input",
      { name, role, model: model.path },
      {
        at: entry.value.span,
        hint: didYouMean(name, known),
        notes: [`inputs are ${listNames(known)}`],
      },
    );
    reporter.diagnostics.push(...diagnostics);
  }
}

/** Why an input cannot play a role; null where it can. */
function misfitOf(role: string, { type }: Value): string | null {
  if (!type) return null;
  if (role === "sample" && !dtypes[type.dtype].float) {
    return `noise is added to floating-point numbers, and it is ${showType(type)}`;
  }
  const wide = type.shape?.slice(1).some((dim) => dim !== 1) ?? false;
  return role === "time" && wide
    ? `a time is one number a sample, and it is ${showType(type)}`
    : null;
}
