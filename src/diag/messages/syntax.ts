import { error, note } from "../template.ts";

export const syntaxMessages = {
  "unexpected-token": error`Expected ${"expected"}, found ${"found"}`,
  "unknown-statement": error`${"found"} does not start a statement`,
  "reserved-word": error`\`${"word"}\` is a word of the language and cannot be a name`,
  "unclosed-bracket": error`\`${"bracket"}\` is never closed`,
  "unclosed-string": error`The string is not closed on its line`,
  "unclosed-comment": error`The comment is never closed`,
  "stray-text": error`${"text"} is not part of the language`,
  "malformed-number": error`\`${"text"}\` is not a number`,
  "number-out-of-range": error`\`${"text"}\` cannot be held exactly`,
  "unknown-escape": error`\`${"escape"}\` means nothing in a string`,
  "given-twice": error`\`${"key"}\` is given twice`,
  "too-deep": error`Expressions and blocks nest at most ${"limit"} deep`,
  "too-many-operators": error`An expression has at most ${"limit"} operators in a row`,
  "too-many-errors": note`Only the first ${"count"} syntax errors are shown`,
} as const;
