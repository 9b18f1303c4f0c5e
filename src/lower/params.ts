/** Parameters of library functions and layers: what they take, read once, typed. */
import type * as ast from "../../grammar/ast.ts";
import { fail, type GraftError } from "../diag/diagnostic.ts";
import { joinSpans, type Span } from "../diag/span.ts";
import { nearest } from "../diag/suggest.ts";
import { filled } from "./arrays.ts";
import { tensorOf } from "./grow.ts";
import { type Ground, symbolicSize } from "./placement.ts";
import { extentOf } from "./size-arithmetic.ts";
import {
  type Extent,
  isOperand,
  isTensor,
  kindOf,
  type List,
  type Operand,
  show,
  type Tensor,
  type Val,
} from "./values.ts";

/** One argument of a call, evaluated. */
export interface Argument {
  readonly name: string | null;
  readonly value: Val;
  readonly span: Span;
  /** Written with a point or an exponent: `1.0`. */
  readonly real?: boolean;
}

export interface Param<T> {
  readonly name: string;
  /** For messages: `a whole number`. */
  readonly wanted: string;
  /** undefined: not one of what is wanted. */
  readonly read: (value: Val, ground: Ground) => T | undefined;
  /** What it is where it is not given; a param without must be given. */
  readonly fallback?: T;
  /** Takes all further arguments that have no name, as a list. */
  readonly rest?: boolean;
}

export type ValuesOf<P extends readonly Param<unknown>[]> = {
  [I in keyof P]: P[I] extends Param<infer T> ? T : never;
};

/** A function of the library: how it is called and what it does. */
export interface LibraryFunction {
  readonly params: readonly Param<unknown>[];
  call(ground: Ground, values: readonly unknown[]): Val;
}

export function define<const P extends readonly Param<unknown>[]>(
  params: P,
  call: (ground: Ground, ...values: ValuesOf<P>) => Val,
): LibraryFunction {
  return { params, call: (ground, values) => call(ground, ...(values as unknown as ValuesOf<P>)) };
}

function param<T>(
  name: string,
  wanted: string,
  read: Param<T>["read"],
  fallback: T | undefined,
): Param<T> {
  return fallback === undefined ? { name, wanted, read } : { name, wanted, read, fallback };
}

/** A tensor; a number or a size becomes a scalar. */
export const tensor = (name: string) =>
  param<Tensor>(
    name,
    "a tensor",
    (value, ground) => (isOperand(value) ? asTensor(ground, value) : undefined),
    undefined,
  );

/** A tensor, a number or a size, as it is. */
export const operand = (name: string, fallback?: Operand) =>
  param<Operand>(name, "a tensor or a number", (v) => (isOperand(v) ? v : undefined), fallback);

export const whole = (name: string, fallback?: number) =>
  param<number>(
    name,
    "a whole number",
    (v) => (typeof v === "number" && Number.isInteger(v) ? v : undefined),
    fallback,
  );

/** A size that must be known: a width, a kernel. */
export const count = (name: string, fallback?: number) =>
  param<number>(
    name,
    "a whole number above 0",
    (v, ground) => countOf(ground, `\`${name}\``, v),
    fallback,
  );

export const number = (name: string, fallback?: number) =>
  param<number>(name, "a number", (v) => (typeof v === "number" ? v : undefined), fallback);

export const flag = (name: string, fallback?: boolean) =>
  param<boolean>(name, "true or false", (v) => (typeof v === "boolean" ? v : undefined), fallback);

/** A size, symbolic ones included. */
export const extent = (name: string, fallback?: Extent) =>
  param<Extent>(name, "a size", extentOfValue, fallback);

export const shape = (name: string) =>
  param<readonly Extent[]>(name, "a shape", (value) => extentsOf(value), undefined);

export const choice = <const C extends string>(name: string, options: readonly C[], fallback: C) =>
  param<C>(
    name,
    options.map((option) => `"${option}"`).join(" or "),
    (value) => options.find((option) => option === value),
    fallback,
  );

export const text = (name: string) =>
  param<string>(name, "a text", (v) => (typeof v === "string" ? v : undefined), undefined);

export const anything = (name: string) => param<Val>(name, "a value", (value) => value, undefined);

/** One axis or several, as they were written. */
export const axes = (fallback: readonly number[] = [-1]) =>
  param<readonly number[]>("axis", "an axis, or several", wholesOf, fallback);

/** A whole number for every axis, or one for all. */
export const wholes = (name: string, fallback?: readonly number[]) =>
  param<readonly number[]>(name, "a whole number, or several", wholesOf, fallback);

/** All further arguments without a name; a list counts as what is in it. */
export const rest = (name: string): Param<readonly Val[]> => ({
  name,
  wanted: "values",
  read: (value) => (kindOf(value) === "list" ? (value as List).items : undefined),
  rest: true,
});

export function asTensor(ground: Ground, value: Operand): Tensor {
  if (typeof value === "boolean") return filled("bool", [], value ? 1 : 0);
  return isTensor(value) && !(value.kind === "wire" && value.weak)
    ? value
    : tensorOf(ground, value, ground.dtype);
}

export function extentOfValue(value: Val): Extent | undefined {
  if (typeof value === "number") return extentOf(value);
  return value !== null && typeof value === "object" && value.kind === "size"
    ? value.dim
    : undefined;
}

export function extentsOf(value: Val): readonly Extent[] | undefined {
  const items = kindOf(value) === "list" ? (value as List).items.map(extentOfValue) : undefined;
  return items?.every((item) => item !== undefined) ? (items as Extent[]) : undefined;
}

export function wholesOf(value: Val): readonly number[] | undefined {
  const items = typeof value === "number" ? [value] : extentsOf(value);
  return items?.every((item) => typeof item === "number" && Number.isInteger(item))
    ? (items as number[])
    : undefined;
}

/** @throws GraftError for a symbolic size, with its name. */
export function countOf(ground: Ground, what: string, value: Val): number | undefined {
  if (value !== null && typeof value === "object" && value.kind === "size") {
    throw symbolicSize(ground, what, value.dim);
  }
  return typeof value === "number" && Number.isInteger(value) && value > 0 ? value : undefined;
}

/**
 * The value of each param, in order.
 * @param name what is called, for messages; `at` its span.
 * @throws GraftError at the argument that is wrong, or at the call for one that is missing.
 */
export function bind(
  ground: Ground,
  name: string,
  params: readonly Param<unknown>[],
  args: readonly Argument[],
  at: Span,
): unknown[] {
  const given = assign(name, params, args);
  return params.map((param) => {
    const arg = given.get(param);
    if (!arg) {
      if (param.rest) return [];
      if ("fallback" in param) return param.fallback;
      throw fail("missing-argument", { name, argument: param.name }, { at });
    }
    const value = param.read(arg.value, ground);
    if (value !== undefined) return value;
    const what = `\`${param.name}\` of \`${name}\``;
    throw wrongValue(what, param.wanted, arg.value, arg.span);
  });
}

/** The error of a value that is not what is wanted. */
export function wrongValue(what: string, wanted: string, value: Val, at: Span | null): GraftError {
  const divides = at?.source.text.slice(at.start, at.end).includes("/") ?? false;
  const cut = typeof value === "number" && !Number.isInteger(value) && divides;
  const hint = cut ? "`/` has to divide exactly here; `round(...)` rounds" : null;
  return fail("wrong-value", { what, wanted, got: show(value) }, { at, hint });
}

/** The error of a value that is no tensor; lists of numbers have a function that makes one. */
export function notANumber(value: Val, at: Span | null = null): GraftError {
  const items = kindOf(value) === "list" ? (value as List).items : [];
  const numbers = items.length > 0 && items.every((item) => typeof item === "number");
  const hint = numbers ? "`tensor([...])` makes a tensor of numbers" : null;
  return fail("not-a-number", { value: show(value) }, { at, hint });
}

/** @throws GraftError for one without a name behind one with. */
export function checkNamedLast(
  name: string,
  args: readonly Pick<ast.Arg, "name" | "span">[],
): void {
  const first = args.findIndex(({ name }) => name !== null);
  const late = first < 0 ? undefined : args.slice(first).find(({ name }) => name === null);
  if (late) throw fail("positional-after-named", { name }, { at: late.span });
}

/** Which argument each param gets: those without a name in order, the rest by name. */
export function assign<P extends { readonly name: string; readonly rest?: boolean }>(
  name: string,
  params: readonly P[],
  args: readonly Argument[],
): Map<P, Argument> {
  const given = new Map<P, Argument>();
  const positional = args.filter((arg) => arg.name === null);
  params.forEach((param, i) => {
    const own = param.rest ? positional.splice(i) : positional.slice(i, i + 1);
    if (own.length === 0) return;
    const only = own[0]!;
    const spread = param.rest && (own.length > 1 || kindOf(only.value) !== "list");
    const items = { kind: "list", items: own.map(({ value }) => value) } as const;
    given.set(
      param,
      spread ? { ...only, span: joinSpans(only.span, own.at(-1)!.span), value: items } : only,
    );
  });
  if (positional.length > params.length) {
    const extra = positional[params.length]!;
    throw fail("too-many-arguments", { name }, { at: extra.span });
  }
  for (const arg of args) {
    if (arg.name === null) continue;
    const param = params.find((candidate) => candidate.name === arg.name);
    if (!param) {
      const names = params.map((candidate) => candidate.name);
      const close = nearest(arg.name, names);
      const hint = close ? `did you mean \`${close}\`?` : `it takes ${names.join(", ")}`;
      throw fail("unknown-argument", { name, argument: arg.name }, { at: arg.span, hint });
    }
    if (given.has(param)) {
      throw fail("argument-twice", { name, argument: param.name }, { at: arg.span });
    }
    given.set(param, arg);
  }
  return given;
}
