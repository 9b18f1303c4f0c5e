/** The parser's failures as diagnostics: sentences about the text, not lists of tokens. */
import {
  EOF,
  type IParserErrorMessageProvider,
  type IRecognitionException,
  type IToken,
  type TokenType,
} from "chevrotain";
import type { Reporter } from "../src/diag/diagnostic.ts";
import type { SourceText, Span } from "../src/diag/span.ts";
import { nearest } from "../src/diag/suggest.ts";
import { definers, expectations, forms } from "./expectations.ts";
import { hintFor } from "./hints.ts";
import {
  endOf,
  isBad,
  isKeyword,
  isStatementKeyword,
  keyOf,
  spanOf,
  statementKeywords,
  t,
} from "./tokens.ts";

/** Where the parser stopped. Its message names the rule and the token type that is missing. */
export interface Failure extends IRecognitionException {
  readonly previousToken?: IToken;
}

export interface Place {
  readonly source: SourceText;
  /** All tokens of the text, perhaps with the parser's end marks behind them. */
  readonly tokens: readonly IToken[];
  readonly reporter: Reporter;
}

/** Chevrotain asks for messages where the rule and the token are known; we need just these. */
export const failureKeys: IParserErrorMessageProvider = {
  buildMismatchTokenMessage: ({ expected, ruleName }) => `${ruleName}.${keyOf(expected)}`,
  buildNoViableAltMessage: ({ ruleName }) => ruleName,
  buildEarlyExitMessage: ({ ruleName }) => ruleName,
  buildNotAllInputParsedMessage: ({ ruleName }) => ruleName,
};

interface Missing {
  readonly rule: string;
  /** The name of the token type; null where several tokens could stand there. */
  readonly token: string | null;
  /** To follow "expected". */
  readonly words: string;
}

function missingIn({ message, context: { ruleStack }, previousToken }: Failure): Missing {
  const dot = message.indexOf(".");
  const rule = dot < 0 ? message : message.slice(0, dot);
  const token = dot < 0 ? null : message.slice(dot + 1);
  if (rule === "ident") {
    const asking = ruleStack.at(-2) ?? rule;
    return { rule: asking, token, words: expectations[`${asking}.ident`] ?? "a name" };
  }
  const type: TokenType | undefined = (t as Record<string, TokenType>)[token ?? ""];
  const label = type?.LABEL ?? `\`${token}\``;
  const after = previousToken === undefined ? "" : ` after \`${previousToken.image}\``;
  const words = expectations[message] ?? `${token === null ? "something else" : label}${after}`;
  return { rule, token, words };
}

/** Long tokens in part. */
function quoted(text: string): string {
  return `\`${text.length > 40 ? `${text.slice(0, 39)}…` : text}\``;
}

function wordsFor(token: IToken): string {
  if (token.tokenType === EOF) return "the end of the file";
  return token.tokenType === t.String ? `the string ${quoted(token.image)}` : quoted(token.image);
}

/** At the token; or behind the one before, where the line ends too early. */
function spanOfFailure(source: SourceText, token: IToken, previous: IToken | undefined): Span {
  const end = previous === undefined ? 0 : endOf(previous);
  const early =
    token.tokenType === EOF ||
    (previous !== undefined && /[\r\n]/.test(source.text.slice(end, token.startOffset)));
  return early ? { source, start: end, end } : spanOf(source, token);
}

const closers: Readonly<Record<string, string>> = { "(": ")", "[": "]", "{": "}" };

/** The innermost bracket that is still open after `tokens`. */
function openBracket(tokens: readonly IToken[]): IToken | undefined {
  const open: IToken[] = [];
  for (const token of tokens) {
    if (token.image in closers) open.push(token);
    else if (/^[)\]}]$/.test(token.image)) open.pop();
  }
  return open.at(-1);
}

/** Reports why the statement that begins with `first` is none. Lexical errors are reported already. */
export function reportFailure(failure: Failure, first: IToken, place: Place): void {
  const { source, tokens, reporter } = place;
  const { token, previousToken: previous, context } = failure;
  if (isBad(token)) return;

  const read = tokens.slice(tokens.indexOf(first), tokens.indexOf(token));
  const missing = missingIn(failure);
  const at = spanOfFailure(source, token, previous);
  const form = context.ruleStack.findLast((rule) => rule in forms);
  const notes = form === undefined ? [] : [`form: ${forms[form]}`];

  const bracket = openBracket(read);
  const early = token.tokenType === EOF || (isStatementKeyword(token) && at.start === at.end);
  if (bracket !== undefined && early) {
    const closer = closers[bracket.image];
    const related =
      token.tokenType === EOF ? [] : [{ at: spanOf(source, token), text: "before this" }];
    const hint = `expected \`${closer}\`${related.length > 0 ? "" : " before the end of the file"}`;
    const params = { bracket: `\`${bracket.image}\`` };
    reporter.report("unclosed-bracket", params, {
      at: spanOf(source, bracket),
      hint,
      related,
      notes,
    });
  } else if (isKeyword(token) && definers.has(missing.rule) && at.start < at.end) {
    const hint = "choose another name";
    reporter.report("reserved-word", { word: quoted(token.image) }, { at, hint, notes });
  } else {
    const before = [read.at(-1), read.at(-2)];
    const hint = hintFor({ rule: missing.rule, missing: missing.token, token, before });
    const params = { expected: missing.words, found: wordsFor(token) };
    reporter.report("unexpected-token", params, { at, hint, notes });
  }
}

const clauses = ["with", "init", "to", "by", "merge", "times", "optional", "expect", "for", "in"];

/** Reports a token that stands where a statement could begin. */
export function reportNoStatement(token: IToken, place: Place): void {
  const { source, tokens, reporter } = place;
  if (isBad(token)) return;
  const index = tokens.indexOf(token);
  const before = [tokens[index - 1], tokens[index - 2]];
  const meant = isKeyword(token)
    ? undefined
    : nearest(token.image, [...statementKeywords, ...(index > 0 ? clauses : [])]);
  const hint =
    meant === undefined
      ? hintFor({ rule: "file", missing: null, token, before })
      : `did you mean \`${meant}\`?`;
  const notes =
    meant === undefined ? [`statements begin with ${statementKeywords.join(", ")}`] : [];
  reporter.report(
    "unknown-statement",
    { found: wordsFor(token) },
    {
      at: spanOf(source, token),
      hint,
      notes,
    },
  );
}
