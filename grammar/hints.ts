import { type IToken, type TokenType, tokenMatcher } from "chevrotain";
import { nearest } from "../src/diag/suggest.ts";
import { isCloser, isKeyword, t } from "./tokens.ts";

/** A syntax error: the rule it broke, the token it misses, what stands there instead. */
export interface Found {
  readonly rule: string;
  readonly missing: string | null;
  readonly token: IToken;
  /** The tokens before it, the last one first. */
  readonly before: readonly (IToken | undefined)[];
}

/** What people mean by it, and what to write: the first line that fits. */
const habits: readonly [fits: (found: Found) => boolean, hint: string][] = [
  [
    ({ rule, token }) => /^(args|patternArgs)$/.test(rule) && is(token, t["="]),
    "an argument's name takes a colon: `name: value`",
  ],
  [
    ({ rule, token }) => rule === "formal" && is(token, t["="]),
    "a parameter has a type: `name: int = value`",
  ],
  [({ rule, token }) => rule === "param" && is(token, t[":"]), "write `=` and the value"],
  [
    ({ missing, token }) => missing === ":" && is(token, t.Comparison),
    "write `:` before it: `parameters: < 640M`",
  ],
  [({ missing, token }) => missing === "=" && is(token, t["=="]), "write `=`"],
  [({ missing, token }) => missing === "=" && is(token, t[":"]), "write `=`"],
  [({ missing, token }) => missing === ":" && is(token, t["="]), "write `:`"],
  [
    ({ rule, missing, token }) =>
      rule === "entry" && missing === ":" && (is(token, t["("]) || isNumber(token)),
    "a key takes a colon and its value: `lora: 8, alpha: 16`",
  ],
  [
    ({ rule, token, before: [, colon] }) =>
      rule === "record" && is(colon, t[":"]) && isNumber(token),
    "a key has one value, without words before it: `lora: 8, alpha: 16`",
  ],
  [({ token, before }) => isCloser(token) && is(before[0], t[","]), "no comma before it"],
  [
    ({ rule, token }) => /^(pattern|rewrite$)/.test(rule) && isArithmetic(token),
    "patterns name the operators of the graph: `Div(x, 2)`",
  ],
  [
    ({ rule, token, before }) => rule === "record" && is(token, t.Int) && is(before[0], t.expect),
    "a count stands at the end of an edit: `remove blocks[odd] expect 7`",
  ],
  [
    ({ missing, token }) => /^[)\]{}]$/.test(missing ?? "") && is(token, t.Comparison),
    "comparisons do not chain: join two with `and`",
  ],
  [({ token }) => is(token, t.not), "put `not` and what it negates in parentheses"],
  [
    ({ token, before: [dots] }) => is(token, t["."]) && is(dots, t[".."]),
    "two points stand for the axes between: `x[.., 0]`",
  ],
  [({ token }) => is(token, t["."]), "a number begins with a digit: `0.5`"],
  [
    ({ before: [dot, number] }) => is(dot, t["."]) && is(number, t.Int),
    "a number needs a digit after its point: `1.0`",
  ],
  [({ rule, token }) => rule === "index" && is(token, t[":"]), "ranges are written `1..3`"],
  [({ rule, token }) => rule === "index" && token.image === "*", "every one is `[all]`"],
  [({ rule, token }) => rule === "subscript" && is(token, t[".."]), "slices are written `1:3`"],
  [({ rule, token }) => rule === "subscript" && is(token, t[":"]), "slices have no step"],
  [({ token }) => is(token, t["|"]), "write `or`"],
  [
    ({ rule, token }) => /^(atom|arg|line)$/.test(rule) && is(token, t.where),
    "what chooses by a condition is `select(condition, a, b)`",
  ],
  [
    ({ rule, token }) => rule === "body" && /^(from|init)$/.test(token.image),
    "`from` comes first, then `init`, then `as`",
  ],
  [({ rule, token }) => rule === "body" && is(token, t.for), "an operator may call itself instead"],
  [
    ({ rule, token }) => rule === "body" && is(token, t["("]),
    "names are taken apart without parentheses: `a, b = split(x, 2)`",
  ],
  [({ rule, token }) => rule === "body" && is(token, t["="]), "a line has one `=`"],
  [({ rule, token }) => rule === "body" && is(token, t[","]), "each value has a line of its own"],
  [({ rule, token }) => rule === "file" && isCloser(token), "no bracket is open here"],
  [
    ({ rule, token }) => rule === "file" && lineWords.has(token.image),
    "only an operator has such lines",
  ],
  [({ before: [word] }) => /^else?if$/.test(word?.image ?? ""), "write `else if`"],
];

const lineWords = new Set(["layer", "weight", "let", "if", "else", "return"]);

function is(token: IToken | undefined, type: TokenType): boolean {
  return token !== undefined && tokenMatcher(token, type);
}

function isNumber(token: IToken): boolean {
  return is(token, t.Int) || is(token, t.Number);
}

function isArithmetic(token: IToken): boolean {
  return is(token, t.Additive) || is(token, t.Multiplicative) || is(token, t["**"]);
}

/** The way out of a syntax error, where there is a usual one. */
export function hintFor(found: Found): string | null {
  const { missing, rule, token } = found;
  if (missing !== null && /^[a-z]/.test(missing) && is(token, t.Identifier)) {
    const meant = nearest(token.image, [missing]);
    if (meant !== undefined) return `did you mean \`${meant}\`?`;
  }
  const habit = habits.find(([fits]) => fits(found));
  if (habit !== undefined) return habit[1];
  const reserved = missing === null && rule !== "file" && isKeyword(token);
  return reserved ? `\`${token.image}\` is a word of the language and cannot be a name` : null;
}
