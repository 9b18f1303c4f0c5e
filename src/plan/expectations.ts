/** `expect { ... }` before anything is edited, `ensure { ... }` on the result. */
import type * as ast from "../../grammar/ast.ts";
import type { Anatomy, Stack } from "../anatomy/anatomy.ts";
import { fail, type Reporter } from "../diag/diagnostic.ts";
import type { Model } from "../ir/graph.ts";
import { evaluate, evaluateNumber, mismatch, type Names, showValue } from "./evaluate.ts";
import type { Step } from "./load.ts";
import type { ArgValue, OperatorScope, PlannedBound } from "./plan.ts";
import { stacksOfModel } from "./stacks.ts";
import { didYouMean, listNames } from "./suggestions.ts";

export interface ModelFacts {
  readonly model: Model;
  readonly anatomy: Anatomy;
  /** Hex digest of the model's file; computed only when a file asks for it. */
  readonly sha256: () => string;
}

/** What a model is; more than one value where its stacks differ. */
type Fact = (
  facts: ModelFacts,
  stacks: () => readonly Stack[],
) => readonly (ArgValue | null | undefined)[];

const expectations: Readonly<Record<string, Fact>> = {
  blocks: (_, stacks) => [stacks().reduce((sum, { blocks }) => sum + blocks.length, 0)],
  width: (_, stacks) => stacks().map(({ width }) => width),
  heads: (_, stacks) => stacks().map(({ heads }) => heads),
  opset: ({ model }) => [model.opsets.get("")],
  sha256: ({ sha256 }) => [sha256()],
};

/** Reports what the statement expects of nothing that models have, or of another type. */
export function readExpect({ statement, scope }: Step<ast.Expect>, reporter: Reporter): void {
  for (const entry of statement.record.entries) reporter.attempt(() => readEntry(entry, scope));
}

function readEntry(entry: ast.Entry, { params }: OperatorScope): { fact: Fact; wanted: ArgValue } {
  const key = entry.key.name;
  const fact = Object.hasOwn(expectations, key) ? expectations[key]! : undefined;
  if (!fact) throw unknownKey("expect", entry.key, Object.keys(expectations));
  const wanted = recordValue(entry, { values: params });
  const kind = key === "sha256" ? "string" : "number";
  if (typeof wanted === kind) return { fact, wanted };
  return mismatch(entry.value as ast.Expr, `\`${key}\``, `a ${kind}`, wanted);
}

/** Reports every expectation that the model does not meet. */
export function checkExpect(
  { statement, scope }: Step<ast.Expect>,
  facts: ModelFacts,
  reporter: Reporter,
): void {
  for (const entry of statement.record.entries) {
    const at = entry.value.span;
    reporter.attempt(() => {
      const { fact, wanted } = readEntry(entry, scope);
      const values = fact(facts, () => stacksOfModel(facts.anatomy, facts.model.path, at));
      const found = [...new Set(values)];
      if (found.every((value) => isSame(value, wanted))) return;
      const shown = found
        .map((value) => (value == null ? "unknown" : showValue(value)))
        .join(" and ");
      const model = facts.model.path;
      const params = { model, key: entry.key.name, wanted: showValue(wanted), found: shown };
      throw fail("expectation-failed", params, { at });
    });
  }
}

/** Hex digits mean the same in both cases. */
function isSame(found: ArgValue | null | undefined, wanted: ArgValue): boolean {
  const lower = (value: typeof found) => (typeof value === "string" ? value.toLowerCase() : value);
  return lower(found) === lower(wanted);
}

const bounds: readonly PlannedBound["key"][] = ["parameters", "flops", "bytes", "blocks"];

/** Reads the bounds; they are checked by `checkEnsures` when there is a result. */
export function planEnsure(
  { statement, scope }: Step<ast.Ensure>,
  reporter: Reporter,
): PlannedBound[] {
  return statement.bounds.flatMap((bound) => {
    const planned = reporter.attempt((): PlannedBound => {
      const key = bounds.find((each) => each === bound.key.name);
      if (!key) throw unknownKey("ensure", bound.key, bounds);
      const limit = evaluateNumber(bound.value, { values: scope.params }, `\`${key}\``);
      return { key, op: bound.op, limit, span: bound.span };
    });
    return planned ? [planned] : [];
  });
}

/** What the result measures; each is computed only when a bound asks for it. */
export type Figures = Readonly<Record<PlannedBound["key"], () => number>>;

const holds: Readonly<Record<PlannedBound["op"], (a: number, b: number) => boolean>> = {
  "<": (a, b) => a < b,
  "<=": (a, b) => a <= b,
  "==": (a, b) => a === b,
  ">": (a, b) => a > b,
  ">=": (a, b) => a >= b,
};

/** Reports every bound that the result breaks, with both figures. */
export function checkEnsures(
  planned: readonly PlannedBound[],
  figures: Figures,
  reporter: Reporter,
): void {
  for (const { key, op, limit, span } of planned) {
    const value = figures[key]();
    if (holds[op](value, limit)) continue;
    const show = (n: number) => n.toLocaleString("en-US");
    const params = { key, op, limit: show(limit), found: show(value) };
    reporter.report("bound-broken", params, { at: span });
  }
}

function recordValue(entry: ast.Entry, names: Names): ArgValue {
  const { value } = entry;
  if (value.kind === "record" || value.kind === "train") {
    throw fail("no-value-here", { what: "a record" }, { at: value.span });
  }
  return evaluate(value, names);
}

function unknownKey(statement: string, key: ast.Ident, known: readonly string[]) {
  return fail(
    "unknown-key",
    { statement, key: key.name },
    {
      at: key.span,
      hint: didYouMean(key.name, known),
      notes: [`keys are ${listNames(known)}`],
    },
  );
}
