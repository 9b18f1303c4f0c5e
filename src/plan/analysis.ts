/** The report of `graftc analyze`, as selections by measure read it. */
import type * as ast from "../../grammar/ast.ts";
import { fail } from "../diag/diagnostic.ts";
import { evaluateNumber, type Names } from "./evaluate.ts";
import type { ArgValue } from "./plan.ts";
import { didYouMean, listNames } from "./suggestions.ts";

/** `{"blocks[1]": {attn: {locality: {"32": 0.5}, variance: 0.1, ...}, ...}, ...}` */
export interface AnalysisReport {
  /** As the user gave it. */
  readonly path: string;
  readonly blocks: Readonly<Record<string, PartMeasures>>;
}

type PartMeasures = Readonly<Record<string, Measures>>;
type Measures = Readonly<Record<string, number | Readonly<Record<string, number>>>>;

/** @throws GraftError when the text is not such a report. */
export function parseAnalysis(path: string, text: string): AnalysisReport {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw fail("not-a-report", { path, reason: "it is not JSON" });
  }
  const blocks = isRecord(json) ? json.blocks : undefined;
  if (!isRecord(blocks)) throw fail("not-a-report", { path, reason: "it has no `blocks`" });
  for (const [label, parts] of Object.entries(blocks)) {
    if (isRecord(parts) && Object.values(parts).every(isRecord)) continue;
    throw fail("not-a-report", { path, reason: `\`${label}\` has no parts with measures` });
  }
  return { path, blocks: blocks as AnalysisReport["blocks"] };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A measure as an expression names it: `variance`, `locality(k: 32)`, `mlp.variance`. */
interface Question {
  readonly part: string | null;
  readonly name: string;
  readonly key: string | null;
  readonly text: string;
}

/**
 * Names that evaluate to what the report says of one block.
 * @param part whose measures a bare name means; null: of the block's only part that has it.
 */
export function measuresOf(
  report: AnalysisReport,
  label: string,
  part: string | null,
  values: ReadonlyMap<string, ArgValue>,
): Names {
  return {
    values,
    also(expr) {
      const question = questionOf(expr, { values });
      return question ? answer(question, expr, report, label, part) : undefined;
    },
  };
}

function questionOf(
  expr: ast.NameExpr | ast.Call | ast.Member,
  names: Names,
): Question | undefined {
  const { source, start, end } = expr.span;
  const text = source.text.slice(start, end);
  if (expr.kind === "name") return { part: null, name: expr.name, key: null, text };
  if (expr.kind === "member") {
    const { object } = expr;
    return object.kind === "name"
      ? { part: object.name, name: expr.name.name, key: null, text }
      : undefined;
  }
  const { callee, args } = expr;
  if (callee.kind !== "name" && callee.kind !== "member") return undefined;
  const called = questionOf(callee, names);
  if (!called) return undefined;
  if (args.length !== 1) {
    throw fail("wrong-arguments", { name: called.text, wanted: "1 number" }, { at: expr.span });
  }
  const key = evaluateNumber(args[0]!.value, names, `\`${called.text}\``);
  return { ...called, key: String(key), text };
}

function answer(
  question: Question,
  expr: ast.Expr,
  report: AnalysisReport,
  label: string,
  part: string | null,
): number {
  const parts = Object.hasOwn(report.blocks, label) ? report.blocks[label]! : undefined;
  const unknown = (hint: string | null, ...notes: string[]) =>
    fail(
      "unknown-measure",
      { measure: question.text, label, path: report.path },
      {
        at: expr.span,
        hint,
        notes,
      },
    );
  if (!parts) throw unknown(null, `the report has ${listNames(Object.keys(report.blocks))}`);
  const asked = question.part ?? part;
  const having = Object.keys(parts).filter((name) => Object.hasOwn(parts[name]!, question.name));
  const source = asked ?? (having.length === 1 ? having[0]! : null);
  if (source === null && having.length > 1) {
    throw unknown(`say whose: \`${having[0]}.${question.text}\``);
  }
  const measures = source !== null && Object.hasOwn(parts, source) ? parts[source]! : {};
  const found = Object.hasOwn(measures, question.name) ? measures[question.name] : undefined;
  const plain = question.key === null ? found : undefined;
  const value = isRecord(found) ? found[question.key ?? ""] : plain;
  if (typeof value === "number" && Number.isFinite(value)) return value;
  const known = isRecord(found)
    ? Object.keys(found).map((key) => `${question.name}(${key})`)
    : Object.keys(source === null ? {} : measures);
  const notes = known.length ? [`${label}.${source} has ${listNames(known)}`] : [];
  throw unknown(isRecord(found) ? null : didYouMean(question.name, known), ...notes);
}
