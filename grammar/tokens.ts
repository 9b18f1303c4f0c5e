import { createToken, type IToken, Lexer, type TokenType } from "chevrotain";
import type { SourceText, Span } from "../src/diag/span.ts";

/** A step of a module path: `blocks`, `0`. */
const Step = createToken({ name: "Step", pattern: Lexer.NA });
/** Any identifier or keyword: what may follow a dot or name an argument. */
const Word = createToken({ name: "Word", pattern: Lexer.NA, categories: Step, label: "a name" });
/** What may be called so: identifiers, and the keywords that are common argument names. */
const Name = createToken({ name: "Name", pattern: Lexer.NA, categories: Word, label: "a name" });
const Identifier = createToken({ name: "Identifier", pattern: /[A-Za-z_]\w*/, categories: Name });

/** Operators of one precedence. A Bound is a Comparison that `ensure` takes too. */
const Comparison = createToken({ name: "Comparison", pattern: Lexer.NA, label: "a comparison" });
const Bound = createToken({ name: "Bound", pattern: Lexer.NA, categories: Comparison });
const Additive = createToken({ name: "Additive", pattern: Lexer.NA });
const Multiplicative = createToken({ name: "Multiplicative", pattern: Lexer.NA });

const Domain = createToken({ name: "Domain", pattern: /[A-Za-z](?:\w|\.(?!\.)){0,63}::/ });
const Percent = createToken({
  name: "Percent",
  pattern: /\d+(\.\d+)?([eE][+-]?\d+)?[kMG]?%/,
});
const Numeral = createToken({
  name: "Number",
  pattern: /\d+(\.\d+)?([eE][+-]?\d+)?[kMG]?(?!\w)/,
  categories: Step,
  label: "a number",
});
const Int = createToken({
  name: "Int",
  pattern: /\d+(?!\w|\.\d)/,
  categories: Numeral,
  label: "a whole number",
});
const Quoted = createToken({
  name: "String",
  pattern: /"[^"\\\n\r]*(?:\\.[^"\\\n\r]*)*"/,
  label: "a string",
});

const Space = createToken({ name: "Space", pattern: /\s+/, group: Lexer.SKIPPED });
const LineComment = createToken({
  name: "LineComment",
  pattern: /\/\/[^\n\r]*/,
  group: "comments",
});
const BlockComment = createToken({
  name: "BlockComment",
  pattern: /\/\*[\s\S]*?\*\//,
  group: "comments",
});

/** Text that is no token of the language. Each is an error, so that the lexer itself has none. */
export const bad = {
  OpenComment: createToken({ name: "OpenComment", pattern: /\/\*[\s\S]*/ }),
  OpenString: createToken({ name: "OpenString", pattern: /"[^\n\r]*/ }),
  BadNumber: createToken({ name: "BadNumber", pattern: /\d\w*(\.\w+)*%?/ }),
  HashComment: createToken({ name: "HashComment", pattern: /#[^\n\r]*/ }),
  SingleQuoted: createToken({ name: "SingleQuoted", pattern: /'[^'\n\r]*'/ }),
  Odd: createToken({
    name: "Odd",
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it looks for
    pattern: /[\x00-\x08\x0E-\x1F!$%&';\\^`~\x7F-\uFFFF]+/,
  }),
};

/** Every statement starts with one of these, and only Words are written the same. */
export const statementKeywords = [
  "use",
  "param",
  "expect",
  "ensure",
  "replace",
  "resize",
  "parallelize",
  "remove",
  "repeat",
  "operator",
  "rewrite",
  "distill",
  "finetune",
] as const;

/** Reserved, but for Words. */
const keywords = [
  ...statementKeywords,
  ...(["with", "init", "optional"] as const),
  ...(["all", "except", "odd", "even", "first", "last", "top", "bottom", "where"] as const),
  ...(["for", "layer", "weight", "let", "if", "else", "return", "from", "as"] as const),
  ...(["in", "match", "train", "and", "or", "not"] as const),
];

/** Keywords that are Names too. */
const nameKeywords = ["by", "to", "merge", "times"] as const;

type Keyword = (typeof keywords)[number] | (typeof nameKeywords)[number];

function keyword(word: Keyword, categories: TokenType): [Keyword, TokenType] {
  const name = `'${word}'`;
  return [word, createToken({ name, pattern: word, longer_alt: Identifier, categories })];
}

const keywordTokens = Object.fromEntries([
  ...keywords.map((word) => keyword(word, Word)),
  ...nameKeywords.map((word) => keyword(word, Name)),
]) as Record<Keyword, TokenType>;

function signs<S extends string>(written: readonly S[], categories?: TokenType) {
  const types = written.map((sign) => {
    const config = { name: `'${sign}'`, pattern: sign };
    return [sign, createToken(categories ? { ...config, categories } : config)];
  });
  return Object.fromEntries(types) as Record<S, TokenType>;
}

/** Longer ones before those that they begin with. */
const signTokens = {
  ...signs(["(", ")", "[", "]", "{", "}", "..", ".", ",", ":", "|", "?", "**"]),
  ...signs(["==", "<=", ">=", "<", ">"], Bound),
  ...signs(["!="], Comparison),
  ...signs(["="]),
  ...signs(["+", "-"], Additive),
  ...signs(["*", "/", "@"], Multiplicative),
};

/** The token types by name; those of keywords and punctuation are called as they are written. */
export const t = {
  ...{ Step, Word, Name, Identifier, Domain, Percent, Number: Numeral, Int, String: Quoted },
  ...{ Comparison, Bound, Additive, Multiplicative },
  ...keywordTokens,
  ...signTokens,
};

/** In the order in which the lexer tries them. */
export const vocabulary: TokenType[] = [
  ...[Step, Word, Name, Comparison, Bound, Additive, Multiplicative],
  ...[Space, LineComment, BlockComment, Domain],
  ...Object.values(keywordTokens),
  ...[Identifier, Percent, Int, Numeral, Quoted],
  ...[bad.OpenComment, bad.OpenString, bad.BadNumber, bad.HashComment, bad.SingleQuoted],
  ...Object.values(signTokens),
  bad.Odd,
];

const badTypes = new Set<TokenType>(Object.values(bad));
const keywordTypes = new Set<TokenType>(Object.values(keywordTokens));
const nameTypes = new Set<TokenType>(nameKeywords.map((word) => keywordTokens[word]));
const statementTypes = new Set<TokenType>(statementKeywords.map((word) => keywordTokens[word]));

export const isBad = (token: IToken) => badTypes.has(token.tokenType);
export const isKeyword = (token: IToken) => keywordTypes.has(token.tokenType);
export const isNameKeyword = (token: IToken) => nameTypes.has(token.tokenType);
export const isStatementKeyword = (token: IToken) => statementTypes.has(token.tokenType);

/** Whether a line ends between a token and the one before it. */
export function startsLine(
  { text }: SourceText,
  previous: IToken | undefined,
  token: IToken,
): boolean {
  return previous !== undefined && /[\r\n]/.test(text.slice(endOf(previous), token.startOffset));
}

/**
 * Whether a statement's keyword stands at the beginning of a line: where parsing goes on after an
 * error. (In a text without errors statements may share a line.)
 */
export function beginsLine(
  source: SourceText,
  previous: IToken | undefined,
  token: IToken,
  next: IToken | undefined,
): boolean {
  const word = previous?.tokenType === t["."] || next?.tokenType === t[":"];
  if (!isStatementKeyword(token) || word) return false;
  return previous === undefined || startsLine(source, previous, token);
}

const operandEnds = new Set<TokenType>([
  ...[Identifier, Percent, Int, Numeral, Quoted, t[")"], t["]"]],
  ...nameTypes,
]);

/** Whether an expression can end in this token: after it `-` subtracts and `(` calls. */
export function endsOperand(token: IToken, previous: IToken | undefined): boolean {
  return operandEnds.has(token.tokenType) || previous?.tokenType === t["."];
}

const openers = new Set<TokenType>([t["("], t["["], t["{"]]);
const closers = new Set<TokenType>([t[")"], t["]"], t["}"]]);

export const isOpener = (token: IToken) => openers.has(token.tokenType);
export const isCloser = (token: IToken) => closers.has(token.tokenType);

/** Its key in `t`. */
export function keyOf({ PATTERN, name }: TokenType): string {
  return typeof PATTERN === "string" ? PATTERN : name;
}

/** What a token says, long ones in part. */
export function shortOf({ image }: IToken): string {
  return image.length > 40 ? `${image.slice(0, 39)}…` : image;
}

export const endOf = (token: IToken) => token.startOffset + token.image.length;

export function spanOf(source: SourceText, token: IToken): Span {
  return { source, start: token.startOffset, end: endOf(token) };
}

let lexer: Lexer | undefined;

export interface Tokens {
  readonly tokens: IToken[];
  readonly comments: IToken[];
}

/** The tokens of a text; what is none of the language comes as one of the bad ones. */
export function tokenize(text: string): Tokens {
  lexer ??= new Lexer(vocabulary, {
    positionTracking: "onlyOffset",
    ensureOptimizations: true,
    skipValidations: true,
  });
  const { tokens, groups } = lexer.tokenize(text);
  return { tokens, comments: groups.comments ?? [] };
}
