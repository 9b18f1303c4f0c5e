/** Expressions outside of operators: numbers, strings and truths known before any model is read. */
import type * as ast from "../../grammar/ast.ts";
import { fail } from "../diag/diagnostic.ts";
import type { ArgValue } from "./plan.ts";
import { didYouMean } from "./suggestions.ts";

export interface Names {
  readonly values: ReadonlyMap<string, ArgValue>;
  /** What else an expression may say here: measures of a report. undefined: not one of them. */
  readonly also?: (expr: ast.NameExpr | ast.Call | ast.Member) => number | undefined;
}

type Numeric = (...args: number[]) => number;

/** Half away from zero, as `round` does everywhere in the language. */
export function roundHalfAway(value: number): number {
  return Math.sign(value) * Math.round(Math.abs(value));
}

/** Arity null: any number of them. */
const functions: Readonly<
  Record<string, { readonly arity: number | null; readonly apply: Numeric }>
> = {
  round: { arity: 1, apply: roundHalfAway },
  floor: { arity: 1, apply: Math.floor },
  ceil: { arity: 1, apply: Math.ceil },
  abs: { arity: 1, apply: Math.abs },
  sqrt: { arity: 1, apply: Math.sqrt },
  exp: { arity: 1, apply: Math.exp },
  log: { arity: 1, apply: Math.log },
  mod: { arity: 2, apply: (a, b) => a - b * Math.floor(a / b) },
  min: { arity: null, apply: Math.min },
  max: { arity: null, apply: Math.max },
};

const arithmetic: Readonly<Partial<Record<ast.BinaryOp, Numeric>>> = {
  "+": (a, b) => a! + b!,
  "-": (a, b) => a! - b!,
  "*": (a, b) => a! * b!,
  "/": (a, b) => a! / b!,
  "**": (a, b) => a! ** b!,
};

const comparisons: Readonly<Partial<Record<ast.BinaryOp, (a: number, b: number) => boolean>>> = {
  "<": (a, b) => a < b,
  "<=": (a, b) => a <= b,
  ">": (a, b) => a > b,
  ">=": (a, b) => a >= b,
};

const constants: ReadonlyMap<string, ArgValue> = new Map<string, ArgValue>([
  ["true", true],
  ["false", false],
]);

/** Names that mean a size, a tensor or a constant inside operators, and so nothing else anywhere. */
export const reservedNames: ReadonlySet<string> = new Set(
  "x context host B N M D H D_context grid_h grid_w true false none".split(" "),
);

/**
 * @param division `exact` where a size or a count is wanted: `/` must then divide.
 * @throws GraftError at the part of the expression that has no value.
 */
export function evaluate(
  expr: ast.Expr,
  names: Names,
  division: "real" | "exact" = "real",
): ArgValue {
  const value = worth(expr, names, division);
  if (typeof value === "number" && !Number.isFinite(value)) {
    throw fail("not-finite", {}, { at: expr.span });
  }
  return value;
}

/** A number; `what` names the place in the message when it is something else. */
export function evaluateNumber(expr: ast.Expr, names: Names, what: string): number {
  const value = evaluate(expr, names);
  return typeof value === "number" ? value : mismatch(expr, what, "a number", value);
}

/** A whole number, from exact divisions. */
export function evaluateInteger(expr: ast.Expr, names: Names, what: string): number {
  const value = evaluate(expr, names, "exact");
  if (typeof value === "number" && Number.isSafeInteger(value)) return value;
  return mismatch(expr, what, "a whole number", value);
}

export function mismatch(expr: ast.Expr, what: string, wanted: string, got: ArgValue): never {
  throw fail("wrong-value", { what, wanted, got: showValue(got) }, { at: expr.span });
}

export function showValue(value: ArgValue): string {
  return typeof value === "string" ? `"${value}"` : String(value);
}

function worth(expr: ast.Expr, names: Names, division: "real" | "exact"): ArgValue {
  const number = (operand: ast.Expr) => {
    const value = evaluate(operand, names, division);
    return typeof value === "number" ? value : mismatch(operand, "This", "a number", value);
  };
  const truth = (operand: ast.Expr) => {
    const value = evaluate(operand, names, division);
    return typeof value === "boolean" ? value : mismatch(operand, "This", "true or false", value);
  };
  switch (expr.kind) {
    case "number":
    case "percent":
    case "string":
      return expr.value;
    case "name":
      return nameValue(expr, names);
    case "unary":
      return expr.op === "-" ? -number(expr.operand) : !truth(expr.operand);
    case "binary":
      return binaryValue(expr, names, division, number, truth);
    case "call":
      return callValue(expr, names, number);
    case "member": {
      const measured = names.also?.(expr);
      if (measured !== undefined) return measured;
      throw fail("no-value-here", { what: "a member" }, { at: expr.span });
    }
    case "list":
      throw fail("no-value-here", { what: "a list" }, { at: expr.span });
    case "subscript":
      throw fail("no-value-here", { what: "a slice" }, { at: expr.span });
  }
}

function nameValue(expr: ast.NameExpr, names: Names): ArgValue {
  const known =
    expr.domain === "" ? (names.values.get(expr.name) ?? constants.get(expr.name)) : undefined;
  if (known !== undefined) return known;
  const measured = names.also?.(expr);
  if (measured !== undefined) return measured;
  if (reservedNames.has(expr.name)) {
    throw fail("size-outside-operator", { name: expr.name }, { at: expr.span });
  }
  throw fail(
    "unknown-value",
    { name: expr.name },
    {
      at: expr.span,
      hint: didYouMean(expr.name, [...names.values.keys(), ...constants.keys()]),
    },
  );
}

function binaryValue(
  expr: ast.Binary,
  names: Names,
  division: "real" | "exact",
  number: (operand: ast.Expr) => number,
  truth: (operand: ast.Expr) => boolean,
): ArgValue {
  const { op, left, right } = expr;
  const apply = arithmetic[op];
  if (apply) {
    const [a, b] = [number(left), number(right)];
    if (op === "/" && b === 0) throw fail("division-by-zero", {}, { at: right.span });
    if (op === "/" && division === "exact" && !Number.isInteger(a / b)) {
      throw fail("inexact-division", { a, b }, { at: expr.span, hint: "use `round(...)`" });
    }
    return apply(a, b);
  }
  const compare = comparisons[op];
  if (compare) return compare(number(left), number(right));
  if (op === "and") return truth(left) && truth(right);
  if (op === "or") return truth(left) || truth(right);
  if (op === "@") throw fail("no-value-here", { what: "a matrix product" }, { at: expr.span });
  const [a, b] = [evaluate(left, names), evaluate(right, names)];
  return op === "==" ? a === b : a !== b;
}

function callValue(expr: ast.Call, names: Names, number: (operand: ast.Expr) => number): ArgValue {
  const name = expr.callee.kind === "name" ? expr.callee.name : "";
  const known = Object.hasOwn(functions, name) ? functions[name] : undefined;
  if (!known) {
    const measured = names.also?.(expr);
    if (measured !== undefined) return measured;
    const hint = didYouMean(name, Object.keys(functions));
    throw fail("unknown-value", { name: `${name || "this"}(...)` }, { at: expr.callee.span, hint });
  }
  const { arity, apply } = known;
  const misnamed = expr.args.find((arg) => arg.name);
  if (misnamed || (arity === null ? !expr.args.length : expr.args.length !== arity)) {
    const wanted = arity === null ? "numbers" : `${arity} number${arity === 1 ? "" : "s"}`;
    throw fail("wrong-arguments", { name, wanted }, { at: misnamed?.span ?? expr.span });
  }
  return apply(...expr.args.map((arg) => number(arg.value)));
}
