import type { IToken, TokenType } from "chevrotain";
import type { Reporter } from "../src/diag/diagnostic.ts";
import type { SourceText } from "../src/diag/span.ts";
import { bad, shortOf, spanOf } from "./tokens.ts";

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
  return `\`${text}\``;
}

interface LexicalError {
  readonly code: "unclosed-comment" | "unclosed-string" | "malformed-number" | "stray-text";
  readonly text: string;
  readonly hint: string;
  /** How much of the token is marked; all of it where nothing is said. */
  readonly marked?: number;
}

const kinds = new Map<TokenType, (image: string) => LexicalError>([
  [
    bad.OpenComment,
    () => {
      const hint = "expected `*/` before the end of the file";
      return { code: "unclosed-comment", text: "", hint, marked: 2 };
    },
  ],
  [
    bad.OpenString,
    () => {
      const hint = 'expected `"` before the end of the line';
      return { code: "unclosed-string", text: "", hint };
    },
  ],
  [
    bad.BadNumber,
    (image) => {
      const habit = numberHabits.find(([fits]) => fits.test(image));
      const hint = habit?.[1] ?? "numbers are written 4, 0.5, 1e-4, 50% or 640M";
      return { code: "malformed-number", text: image, hint };
    },
  ],
  [
    bad.HashComment,
    () => ({ code: "stray-text", text: "`#`", hint: "comments begin with `//`", marked: 1 }),
  ],
  [
    bad.SingleQuoted,
    () => ({ code: "stray-text", text: "`'`", hint: 'strings take double quotes: `"..."`' }),
  ],
  [
    bad.Odd,
    (image) => {
      const hint = habits[image] ?? habits[image.slice(0, 1)] ?? "remove it";
      return { code: "stray-text", text: visible(image), hint };
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
    const kind = kinds.get(token.tokenType);
    if (kind === undefined) continue;
    const { code, text, hint, marked } = kind(shortOf(token));
    const at = spanOf(source, token);
    const end = marked === undefined ? at.end : at.start + marked;
    reporter.report(code, { text }, { at: { ...at, end }, hint });
    if (reporter.diagnostics.length >= limit) return;
  }
}
