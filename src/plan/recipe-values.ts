/** The kinds of values that recipes have. */
import type * as ast from "../../grammar/ast.ts";
import { fail, GraftError } from "../diag/diagnostic.ts";
import { evaluate, evaluateNumber, mismatch, type Names } from "./evaluate.ts";
import type { RecipeValue } from "./plan.ts";
import { didYouMean, listNames } from "./suggestions.ts";

/** @throws GraftError at the part of the value that is not as it should be. */
export type Check = (value: ast.Expr | ast.RecordExpr, key: string, names: Names) => RecipeValue;

/** Bounds of a number; `normal` is its value where it is not said, a boolean one makes it a truth. */
interface Range {
  readonly from?: number;
  readonly above?: number;
  readonly to?: number;
  readonly below?: number;
  readonly whole?: boolean;
  readonly normal?: number | boolean;
}

export function number(range: Range): Check {
  return (value, key, names) => {
    const expr = plain(value, key);
    const got = evaluateNumber(expr, names, `\`${key}\``);
    return { kind: "number", value: within(got, range, expr, key) };
  };
}

export function count(range: Range): Check {
  return number({ ...range, whole: true });
}

/** What the first check takes; calls are for the second. */
export function either(bare: Check, called: Check): Check {
  return (value, ...rest) => (value.kind === "call" ? called : bare)(value, ...rest);
}

/** A share of the data above 0, or how many samples. */
export const shareOrCount: Check = (value, key, names) => {
  const expr = plain(value, key);
  const got = evaluateNumber(expr, names, `\`${key}\``);
  const share = expr.kind === "percent";
  within(got, share ? { above: 0, to: 1 } : { from: 1, whole: true }, expr, key);
  return share ? { kind: "share", value: got } : { kind: "number", value: got };
};

function within(value: number, range: Range, at: ast.Expr, key: string): number {
  const { from, above, to, below, whole } = range;
  const bounds = [
    from === undefined ? null : { holds: value >= from, text: `at least ${from}` },
    above === undefined ? null : { holds: value > above, text: `above ${above}` },
    to === undefined ? null : { holds: value <= to, text: `at most ${to}` },
    below === undefined ? null : { holds: value < below, text: `below ${below}` },
  ].filter((bound) => bound !== null);
  const fits = bounds.every((bound) => bound.holds) && (!whole || Number.isInteger(value));
  if (fits) return value;
  const noun = whole ? "a whole number" : "a number";
  const wanted = [noun, bounds.map((bound) => bound.text).join(" and ")].join(" ");
  return mismatch(at, `\`${key}\``, wanted, value);
}

function plain(value: ast.Entry["value"], key: string): ast.Expr {
  if (value.kind !== "record" && value.kind !== "train") return value;
  throw fail(
    "wrong-value",
    { what: `\`${key}\``, wanted: "one value", got: "a record" },
    {
      at: value.span,
    },
  );
}

type Arguments = Readonly<Record<string, Range>>;

/** A name, or a name with arguments: `constant`, `step(every: 500, by: 0.5)`. */
export function choice(options: Readonly<Record<string, Arguments>>): Check {
  return (value, key, names) => {
    const expr = plain(value, key);
    const callee = expr.kind === "call" ? expr.callee : expr;
    const name = callee.kind === "name" && callee.domain === "" ? callee.name : null;
    if (name === null || !Object.hasOwn(options, name)) {
      const known = Object.keys(options);
      throw fail(
        "unknown-choice",
        { what: key, name: name ?? textAt(callee), values: listNames(known) },
        { at: callee.span, hint: name === null ? null : didYouMean(name, known) },
      );
    }
    const given = expr.kind === "call" ? expr.args : [];
    return { kind: "choice", name, args: bind(name, options[name]!, given, expr, names) };
  };
}

function textAt({ span }: ast.Expr): string {
  return span.source.text.slice(span.start, span.end);
}

function bind(
  name: string,
  formals: Arguments,
  given: readonly ast.Arg[],
  at: ast.Expr,
  names: Names,
): Map<string, number | boolean> {
  const args = new Map<string, number | boolean>();
  const known = Object.keys(formals);
  given.forEach((arg, position) => {
    const key = arg.name ? arg.name.name : known[position];
    const formal = key !== undefined && Object.hasOwn(formals, key) ? formals[key]! : undefined;
    if (key === undefined || !formal) {
      const takes = known.length ? `it takes ${listNames(known)}` : "it takes none";
      if (key === undefined) {
        throw fail("too-many-arguments", { name }, { at: arg.span, notes: [takes] });
      }
      const hint = didYouMean(key, known);
      const details = { at: arg.span, hint, notes: [takes] };
      throw fail("unknown-argument", { name, argument: key }, details);
    }
    if (args.has(key)) throw fail("argument-twice", { name, argument: key }, { at: arg.span });
    const what = `\`${key}\``;
    if (typeof formal.normal === "boolean") {
      const got = evaluate(arg.value, names);
      args.set(key, typeof got === "boolean" ? got : mismatch(arg.value, what, "a truth", got));
    } else {
      args.set(key, within(evaluateNumber(arg.value, names, what), formal, arg.value, key));
    }
  });
  for (const [key, { normal }] of Object.entries(formals)) {
    if (args.has(key)) continue;
    if (normal === undefined) {
      throw fail("missing-argument", { name, argument: key }, { at: at.span });
    }
    args.set(key, normal);
  }
  return args;
}

/** `diffusion + 0.5 * output` */
export function weightedSum(known: readonly string[]): Check {
  return (value, key, names) => {
    const terms = termsOf(plain(value, key), key, known, names);
    const twice = terms.find((term, i) => terms.findIndex((t) => t.name === term.name) < i);
    if (twice) throw fail("term-twice", { what: key, name: twice.name }, { at: value.span });
    return { kind: "sum", terms };
  };
}

interface Term {
  readonly weight: number;
  readonly name: string;
}

function termsOf(
  expr: ast.Expr,
  key: string,
  known: readonly string[],
  names: Names,
): readonly Term[] {
  if (expr.kind === "binary" && expr.op === "+") {
    return [expr.left, expr.right].flatMap((side) => termsOf(side, key, known, names));
  }
  if (expr.kind === "binary" && expr.op === "*") {
    const [factor, term] =
      expr.right.kind === "name" && known.includes(expr.right.name)
        ? [expr.left, expr.right]
        : [expr.right, expr.left];
    const weight = evaluateNumber(factor, names, "A weight");
    within(weight, { above: 0 }, factor, "weight");
    return termsOf(term, key, known, names).map((t) => ({ ...t, weight: t.weight * weight }));
  }
  if (expr.kind === "name" && known.includes(expr.name)) return [{ weight: 1, name: expr.name }];
  const name = textAt(expr);
  throw fail(
    "unknown-choice",
    { what: key, name, values: listNames(known) },
    {
      at: expr.span,
      hint: didYouMean(name, known),
    },
  );
}

const formOfLora = "write the rank, and alpha beside it: `lora: 8, alpha: 16`";

/** `lora: 64`, or `lora: {rank: 64, alpha: 64}`. */
export const lowRank: Check = (value, key, names) => {
  if (value.kind !== "record") {
    return hinting(formOfLora, () => count({ from: 1 })(value, key, names));
  }
  const args = value.entries.map((entry) => ({
    span: entry.span,
    name: entry.key,
    value: plain(entry.value, key),
  }));
  const formals = { rank: { from: 1, whole: true }, alpha: { above: 0, normal: 1 } };
  const at = { ...value, kind: "list", items: [] } as const;
  return { kind: "choice", name: key, args: bind(key, formals, args, at, names) };
};

/** What `step` throws without a way out has this one. */
function hinting<T>(hint: string, step: () => T): T {
  try {
    return step();
  } catch (cause) {
    if (!(cause instanceof GraftError)) throw cause;
    throw new GraftError(cause.diagnostics.map((each) => ({ ...each, hint: each.hint ?? hint })));
  }
}

/** `{sample: "x", time: "t", condition: "y"}` */
export function inputNames(roles: readonly string[]): Check {
  return (value, key, names) => {
    if (value.kind !== "record") {
      throw fail(
        "wrong-value",
        { what: `\`${key}\``, wanted: "a record", got: textAt(value) },
        {
          at: value.span,
        },
      );
    }
    const inputs = new Map<string, string>();
    for (const entry of value.entries) {
      const role = entry.key.name;
      if (!roles.includes(role)) {
        throw fail(
          "unknown-key",
          { statement: key, key: role },
          {
            at: entry.key.span,
            hint: didYouMean(role, roles),
            notes: [`keys are ${listNames(roles)}`],
          },
        );
      }
      const expr = plain(entry.value, role);
      const got = evaluate(expr, names);
      if (typeof got !== "string") mismatch(expr, `\`${role}\``, "the name of an input", got);
      inputs.set(role, got);
    }
    return { kind: "inputs", inputs };
  };
}
