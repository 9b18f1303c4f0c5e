import type { IToken, TokenType } from "chevrotain";
import { endsOperand, isCloser, isOpener, t } from "./tokens.ts";

const tightBefore = new Set<TokenType>([t[")"], t["]"], t[","], t["."], t[".."], t[":"], t["?"]]);
const tightAfter = new Set<TokenType>([t["("], t["["], t["."], t[".."], t["?"], t.Domain]);

export interface Spacing {
  /** Whether a token stands right behind the one before it. */
  readonly tight: boolean;
  /** Whether a `-` is a sign, and no subtraction. */
  readonly sign: boolean;
}

/**
 * How each token stands on one line. `opensOperand` has the offsets of those that begin an operand
 * although the token before them looks like the end of one: `to ratio (8 / 3)` is no call.
 */
export function spacingOf(
  tokens: readonly IToken[],
  opensOperand: ReadonlySet<number>,
): readonly Spacing[] {
  const subscripts: boolean[] = [];
  const spacing: Spacing[] = [];
  for (const [i, token] of tokens.entries()) {
    const { tokenType, startOffset } = token;
    const previous = tokens[i - 1];
    const before = previous?.tokenType;
    const afterOperand =
      previous !== undefined &&
      !opensOperand.has(startOffset) &&
      endsOperand(previous, tokens[i - 2]);
    const calls =
      (tokenType === t["("] || tokenType === t["["]) && (afterOperand || before === t["?"]);
    const inSlice = before === t[":"] && subscripts.at(-1) === true;
    const tight =
      before !== undefined &&
      before !== t[","] &&
      (tightBefore.has(tokenType) || tightAfter.has(before) || calls || inSlice);
    spacing.push({
      tight: tight || spacing[i - 1]?.sign === true,
      sign: tokenType === t["-"] && !afterOperand,
    });
    if (isOpener(token)) subscripts.push(tokenType === t["["] && afterOperand);
    if (isCloser(token)) subscripts.pop();
  }
  return spacing;
}
