import type { IToken, TokenType } from "chevrotain";
import type { Reporter } from "../src/diag/diagnostic.ts";
import type { SourceText } from "../src/diag/span.ts";
import { bad, isBad, spanOf } from "./tokens.ts";

/** What people write by habit of other languages, and what it is here. */
const habits: Readonly<Record<string, string>> = {
  ";": "statements end without it",
  "&&": "write `and`",
  "&": "write `and`",
  "!": "write `not`",
  "%": "a share is written `50%`, the remainder `mod(a, b)`",
  "^": "a power is written `a ** b`",
  "\u201C": 'strings take straight quotes: `"`',
  "\u201D": 'strings take straight quotes: `"`',
  "\u2212": "write `-`",
  "\u2013": "write `-`",
  "\u2026": "write `..`",
  "\u00D7": "write `*`",
  "\u2264": "write `<=`",
  "\u2265": "write `>=`",
};

const numberHabits: readonly [RegExp, string][] = [
  [/^0[xXbBoO]/, "numbers are decimal"],
  [/_/, "digits stand together; `640M` is 640 million"],
  [/[eE]$/, "an exponent needs digits: `1e-4`"],
  [/^\d+(\.\d+)?[KmgbBtT]$/, "the suffixes are k, M and G"],
];

/** A character by its number where it cannot be seen. */
function visible(text: string): string {
  const [first = ""] = text;
  const seen = /[\p{L}\p{N}\p{P}\p{S}]/u.test(first);
  const code = first.codePointAt(0)?.toString(16).toUpperCase().padStart(4, "0");
  if (!seen) return `the character U+${code}`;
  const characters = [...text.slice(0, 40)];
  return `\`${characters.length > 20 ? `${characters.slice(0, 19).join("")}…` : text}\``;
}

type Report = (token: IToken, source: SourceText, reporter: Reporter) => void;

const reports = new Map<TokenType, Report>([
  [
    bad.OpenComment,
    (token, source, reporter) => {
      const at = { ...spanOf(source, token), end: token.startOffset + 2 };
      reporter.report(
        "unclosed-comment",
        {},
        { at, hint: "expected `*/` before the end of the file" },
      );
    },
  ],
  [
    bad.OpenString,
    (token, source, reporter) => {
      const hint = 'expected `"` before the end of the line';
      reporter.report("unclosed-string", {}, { at: spanOf(source, token), hint });
    },
  ],
  [
    bad.BadNumber,
    (token, source, reporter) => {
      const hint =
        numberHabits.find(([fits]) => fits.test(token.image))?.[1] ??
        "numbers are written 4, 0.5, 1e-4, 50% or 640M";
      reporter.report(
        "malformed-number",
        { text: visible(token.image) },
        { at: spanOf(source, token), hint },
      );
    },
  ],
  [
    bad.HashComment,
    (token, source, reporter) => {
      const at = { ...spanOf(source, token), end: token.startOffset + 1 };
      reporter.report("stray-text", { text: "`#`" }, { at, hint: "comments begin with `//`" });
    },
  ],
  [
    bad.SingleQuoted,
    (token, source, reporter) => {
      const hint = 'strings take double quotes: `"..."`';
      reporter.report("stray-text", { text: "`'`" }, { at: spanOf(source, token), hint });
    },
  ],
  [
    bad.Odd,
    (token, source, reporter) => {
      const hint = habits[token.image] ?? habits[token.image.slice(0, 1)] ?? "remove it";
      reporter.report(
        "stray-text",
        { text: visible(token.image) },
        { at: spanOf(source, token), hint },
      );
    },
  ],
]);

/** Reports what is no token of the language, at most `limit` times. */
export function reportLexicalErrors(
  source: SourceText,
  tokens: readonly IToken[],
  reporter: Reporter,
  limit: number,
): void {
  for (const token of tokens) {
    if (!isBad(token)) continue;
    reports.get(token.tokenType)?.(token, source, reporter);
    if (reporter.diagnostics.length >= limit) return;
  }
}
