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
import type * as ast from "./ast.ts";
import { contents, definers, expectations, forms } from "./expectations.ts";
import { hintFor } from "./hints.ts";
import {
  endOf,
  isBad,
  isCloser,
  isKeyword,
  isOpener,
  isStatementKeyword,
  keyOf,
  shortOf,
  spanOf,
  startsLine,
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
  const content = contents[rule];
  if (content !== undefined && previousToken !== undefined && isOpener(previousToken)) {
    return { rule: content, token: null, words: `${expectations[content]} or \`${token}\`` };
  }
  const type: TokenType | undefined = (t as Record<string, TokenType>)[token ?? ""];
  const label = type?.LABEL ?? `\`${token}\``;
  const after = previousToken === undefined ? "" : ` after \`${shortOf(previousToken)}\``;
  const words = expectations[message] ?? `${token === null ? "something else" : label}${after}`;
  return { rule, token, words };
}

function wordsFor(token: IToken): string {
  if (token.tokenType === EOF) return "the end of the file";
  return token.tokenType === t.String ? `the string ${shortOf(token)}` : `\`${shortOf(token)}\``;
}

const closers: ReadonlyMap<TokenType, string> = new Map([
  [t["("], ")"],
  [t["["], "]"],
  [t["{"], "}"],
]);

/** The innermost bracket that is still open after `tokens`. */
function openBracket(tokens: readonly IToken[]): IToken | undefined {
  const open: IToken[] = [];
  for (const token of tokens) {
    if (closers.has(token.tokenType)) open.push(token);
    else if (isCloser(token)) open.pop();
  }
  return open.at(-1);
}

/** A failure with what the reports of it need. */
interface Case {
  readonly place: Place;
  readonly missing: Missing;
  readonly token: IToken;
  readonly previous: IToken | undefined;
  /** The statement's tokens before `token`. */
  readonly read: readonly IToken[];
  /** The line ended before `token`. */
  readonly early: boolean;
  /** Where it is shown: behind the token before where the line ends too early. */
  readonly at: Span;
  readonly notes: readonly string[];
}

function endSpan(source: SourceText, token: IToken | undefined): Span {
  const end = token === undefined ? 0 : endOf(token);
  return { source, start: end, end };
}

/** Reports why the statement that begins with `first` is none. Lexical errors are reported already. */
export function reportFailure(failure: Failure, first: IToken, place: Place): void {
  const { token, previousToken: previous, context } = failure;
  if (isBad(token)) return;
  const read = place.tokens.slice(place.tokens.indexOf(first), place.tokens.indexOf(token));
  const notes = formFor(context.ruleStack);
  const missing = missingIn(failure);
  const early = token.tokenType === EOF || startsLine(place.source, previous, token);
  const behind = early && (missing.rule !== "body" || token.tokenType === EOF);
  const at = behind ? endSpan(place.source, previous) : spanOf(place.source, token);
  const found: Case = { place, missing, token, previous, read, early, at, notes };
  if (!reportUnclosed(found) && !reportReserved(found) && !reportMisspelt(found)) {
    reportMissing(found);
  }
}

/** The form of the statement or line whose own words are wrong, not those of an expression in it. */
function formFor(ruleStack: readonly string[]): string[] {
  const rules = ruleStack.at(-1) === "ident" ? ruleStack.slice(0, -1) : ruleStack;
  const form = rules.slice(-2).findLast((rule) => rule in forms);
  return form === undefined ? [] : [`form: ${forms[form]}`];
}

/** A bracket that is open where the text, or the statement, ends. */
function reportUnclosed({ place, token, read, early }: Case): boolean {
  const bracket = openBracket(read);
  const end = token.tokenType === EOF;
  if (bracket === undefined) return false;
  if (!end && !(early && isStatementKeyword(token))) return false;
  const related = end ? [] : [{ at: spanOf(place.source, token), text: "before this" }];
  const where = end ? " before the end of the file" : "";
  const hint = `expected \`${closers.get(bracket.tokenType)}\`${where}`;
  const details = { at: spanOf(place.source, bracket), hint, related };
  place.reporter.report("unclosed-bracket", { bracket: bracket.image }, details);
  return true;
}

/** A word of the language in the place of a new name. */
function reportReserved({ place, missing, token, early, at, notes }: Case): boolean {
  if (!isKeyword(token) || !definers.has(missing.rule) || early) return false;
  const details = { at, hint: "choose another name", notes };
  place.reporter.report("reserved-word", { word: shortOf(token) }, details);
  return true;
}

const lineWords = ["from", "init", "as", "return", "layer", "weight", "let", "if", "else"];

/** A misspelt word at the beginning of a line, which reads like the name of an assignment. */
function reportMisspelt({ place, missing: { rule, token }, previous, notes }: Case): boolean {
  if (rule !== "assign" || token !== "=" || previous?.tokenType !== t.Identifier) return false;
  const meant = nearest(previous.image, lineWords);
  if (meant === undefined) return false;
  const params = { expected: "a line of the operator", found: wordsFor(previous) };
  const details = { at: spanOf(place.source, previous), hint: `did you mean \`${meant}\`?`, notes };
  place.reporter.report("unexpected-token", params, details);
  return true;
}

function reportMissing({ place, missing, token, read, at, notes }: Case): void {
  const before = [read.at(-1), read.at(-2)];
  const hint = hintFor({ rule: missing.rule, missing: missing.token, token, before });
  const params = { expected: missing.words, found: wordsFor(token) };
  place.reporter.report("unexpected-token", params, { at, hint, notes });
}

const clauses = ["with", "init", "to", "by", "merge", "times", "optional", "expect", "for", "in"];

/** Reports a token that stands where `last` ends and another statement could begin. */
export function reportNoStatement(token: IToken, last: ast.Statement | null, place: Place): void {
  const { source, tokens, reporter } = place;
  if (isBad(token)) return;
  const index = tokens.indexOf(token);
  const known = [...statementKeywords, ...(last === null ? [] : clauses)];
  const meant = isKeyword(token) ? undefined : nearest(token.image, known);
  const before = [tokens[index - 1], tokens[index - 2]];
  const habit = hintFor({ rule: "file", missing: null, token, before });
  const details = {
    at: spanOf(source, token),
    hint: meant === undefined ? habit : `did you mean \`${meant}\`?`,
  };
  const found = wordsFor(token);
  const words = last === null ? undefined : forms[last.kind];
  if (words === undefined || startsLine(source, before[0], token)) {
    const list = `statements begin with ${statementKeywords.join(", ")}`;
    const notes = meant === undefined ? [list] : [];
    reporter.report("unknown-statement", { found }, { ...details, notes });
  } else {
    const expected = `the end of the statement after \`${shortOf(before[0]!)}\``;
    const notes = [`form: ${words}`];
    reporter.report("unexpected-token", { expected, found }, { ...details, notes });
  }
}
