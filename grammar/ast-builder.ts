/** From the text of tokens to values of the tree, and the mistakes that show only there. */
import type { IToken } from "chevrotain";
import type { Reporter } from "../src/diag/diagnostic.ts";
import type { SourceText, Span } from "../src/diag/span.ts";
import type * as ast from "./ast.ts";
import { shortOf, spanOf, t } from "./tokens.ts";

export function ident(source: SourceText, token: IToken): ast.Ident {
  return { name: token.image, span: spanOf(source, token) };
}

/** A decimal shift of 640M or 50%, done on the digits: the nearest double, rounded once. */
function decimal(text: string, shift: number): number {
  const [digits, exponent = "0"] = text.split(/[eE]/);
  return Number(`${digits}e${Number(exponent) + shift}`);
}

const suffixes: Readonly<Record<string, number>> = { k: 3, M: 6, G: 9 };

/** The value of a Number or Percent token: never NaN. */
function decimalOf(image: string): number {
  const text = image.replace(/%$/, "");
  const shift = suffixes[text.at(-1)!];
  const percent = image === text ? 0 : -2;
  return shift === undefined ? decimal(text, percent) : decimal(text.slice(0, -1), shift + percent);
}

export function numberLiteral(
  source: SourceText,
  token: IToken,
  reporter: Reporter,
): ast.NumberLiteral {
  const span = spanOf(source, token);
  const value = decimalOf(token.image);
  const integer = token.tokenType === t.Int;
  reportRange(span, token, value, reporter);
  return { kind: "number", span, value, integer };
}

export function percentLiteral(
  source: SourceText,
  token: IToken,
  reporter: Reporter,
): ast.PercentLiteral {
  const span = spanOf(source, token);
  const value = decimalOf(token.image);
  reportRange(span, token, value, reporter);
  return { kind: "percent", span, value };
}

/** What a double cannot hold: whole numbers from 2^53, and what becomes infinite or zero. */
function reportRange(at: Span, token: IToken, value: number, reporter: Reporter): void {
  const integer = token.tokenType === t.Int;
  const lost = value === 0 && /^[0.]*[1-9]/.test(token.image);
  if (Number.isFinite(value) && !lost && !(integer && !Number.isSafeInteger(value))) return;
  const hint = integer
    ? "whole numbers end at 9007199254740991"
    : "numbers lie between 1e-323 and 1.7e308";
  reporter.report("number-out-of-range", { text: shortOf(token) }, { at, hint });
}

const escapes: Readonly<Record<string, string>> = {
  '\\"': '"',
  "\\\\": "\\",
  "\\n": "\n",
  "\\t": "\t",
  "\\r": "\r",
};

export function stringLiteral(
  source: SourceText,
  token: IToken,
  reporter: Reporter,
): ast.StringLiteral {
  const value = token.image.slice(1, -1).replace(/\\./gsu, (pair, at: number) => {
    const character = escapes[pair];
    if (character !== undefined) return character;
    const start = token.startOffset + 1 + at;
    reporter.report(
      "unknown-escape",
      { escape: pair },
      { at: { source, start, end: start + pair.length }, hint: "a backslash is written `\\\\`" },
    );
    return pair;
  });
  return { kind: "string", span: spanOf(source, token), value };
}

/**
 * The names of a path's step. `down.0.1.blocks` has two steps that look like one number, since the
 * lexer does not know that it is inside a path.
 */
export function stepNames(source: SourceText, token: IToken, reporter: Reporter): ast.Ident[] {
  if (!/^\d/.test(token.image)) return [ident(source, token)];
  if (!/^\d+(\.\d+)?$/.test(token.image)) {
    const hint = "a step of a path is a name or a whole number";
    reporter.report(
      "malformed-number",
      { text: shortOf(token) },
      { at: spanOf(source, token), hint },
    );
  }
  let start = token.startOffset;
  return token.image.split(".").map((name) => {
    const span = { source, start, end: start + name.length };
    start = span.end + 1;
    return { name, span };
  });
}

/** Reports each key that an earlier one of the same list has given already. */
export function reportTwins(keys: readonly (ast.Ident | null)[], reporter: Reporter): void {
  const seen = new Map<string, ast.Ident>();
  for (const key of keys) {
    if (key === null) continue;
    const first = seen.get(key.name);
    if (first === undefined) seen.set(key.name, key);
    else {
      const related = [{ at: first.span, text: "given here already" }];
      reporter.report(
        "given-twice",
        { key: key.name },
        { at: key.span, hint: "remove one of the two", related },
      );
    }
  }
}
