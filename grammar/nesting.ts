import type { IToken, TokenType } from "chevrotain";
import type { Reporter } from "../src/diag/diagnostic.ts";
import type { SourceText } from "../src/diag/span.ts";
import {
  beginsLine,
  endsOperand,
  isCloser,
  isKeyword,
  isNameKeyword,
  isOpener,
  spanOf,
  t,
} from "./tokens.ts";

/** Brackets, prefixes, powers and `else if` within each other: each deepens the parser's stack. */
const maxNesting = 64;
/** Infix operators, calls and members in a row: each deepens the tree to the left. */
const maxOperators = 500;

/** What is between two brackets, seen so far. */
interface Level {
  /** Depth at the bracket. */
  readonly base: number;
  readonly operatorsBefore: number;
  /** Prefixes and powers that the present operand is inside of. */
  prefixes: number;
  /** `else if` in a row. */
  branches: number;
  operators: number;
}

const separators = new Set<TokenType>([t[","], t[":"], t["="], t[".."]]);
const infix = new Set<TokenType>([
  ...[t.or, t.and, t["+"], t["-"], t["*"], t["/"], t["@"]],
  ...[t["=="], t["!="], t["<"], t["<="], t[">"], t[">="]],
]);

/**
 * Refuses texts whose tree would be too deep to recurse over, before they are parsed. Brackets that
 * are left open end where the next statement begins a line.
 */
export function checkNesting(
  source: SourceText,
  tokens: readonly IToken[],
  reporter: Reporter,
): boolean {
  let level: Level = { base: 0, operatorsBefore: 0, prefixes: 0, branches: 0, operators: 0 };
  let levels = [level];
  let afterOperand = false;
  for (const [i, token] of tokens.entries()) {
    const type = token.tokenType;
    const previous = tokens[i - 1];
    if (previous?.tokenType === t["}"] && type !== t.else) level.branches = 0;
    if (level.base > 0 && beginsLine(source, previous, token, tokens[i + 1])) {
      levels = levels.slice(0, 1);
      level = levels[0]!;
    }

    if (isOpener(token)) {
      if (afterOperand) level.operators += 1;
      const base = level.base + level.prefixes + level.branches + 1;
      const operatorsBefore = level.operatorsBefore + level.operators;
      level = { base, operatorsBefore, prefixes: 0, branches: 0, operators: 0 };
      levels.push(level);
    } else if (isCloser(token)) {
      if (levels.length > 1) levels.pop();
      level = levels.at(-1)!;
    } else if (previous?.tokenType === t["."]) {
      level.operators += 1;
    } else if (type === t.if && previous?.tokenType === t.else) {
      level.branches += 1;
    } else if (type === t.not || type === t["**"] || (type === t["-"] && !afterOperand)) {
      level.prefixes += 1;
    } else if (infix.has(type)) {
      level.prefixes = 0;
      level.operators += 1;
    } else if (separators.has(type) || (isKeyword(token) && !isNameKeyword(token))) {
      level.prefixes = 0;
      level.operators = 0;
    }
    afterOperand = endsOperand(token, previous);

    const tooDeep = level.base + level.prefixes + level.branches > maxNesting;
    if (!tooDeep && level.operatorsBefore + level.operators <= maxOperators) continue;
    const inBlocks = type === t["{"] || type === t.if;
    const hint = inBlocks ? "write an operator for a part" : "give a part a name of its own";
    const details = { at: spanOf(source, token), hint };
    if (tooDeep) reporter.report("too-deep", { limit: maxNesting }, details);
    else reporter.report("too-many-operators", { limit: maxOperators }, details);
    return false;
  }
  return true;
}
