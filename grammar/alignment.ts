import { type TokenType, tokenMatcher } from "chevrotain";
import { hasBlankLine, type Stream } from "./joints.ts";
import type { Spacing } from "./spacing.ts";
import { t } from "./tokens.ts";

interface Text extends Stream {
  readonly spacing: readonly Spacing[];
}

/** The keywords of lines that have a `=`; without one it is an assignment. */
const keywords = new Set([t.layer, t.weight, t.let, t.param]);

/** What stands left of a line's `=`. */
interface Head {
  readonly keyword: TokenType | null;
  /** The index of the `=`. */
  readonly equals: number;
  readonly width: number;
  /** Of the `=` in the text, from the line's first token. */
  readonly column: number;
}

/** Null for lines without `=`, or with comments before it. */
function headOf({ tokens, gaps, spacing }: Text, first: number): Head | null {
  const type = tokens[first]!.tokenType;
  const keyword = keywords.has(type) ? type : null;
  if (keyword === null && !tokenMatcher(tokens[first]!, t.Name)) return null;
  let width = 0;
  for (let i = first; i < tokens.length; i += 1) {
    const token = tokens[i]!;
    if (i > first && gaps.has(token.startOffset)) return null;
    if (token.tokenType === t["="]) {
      const column = token.startOffset - tokens[first]!.startOffset;
      return { keyword, equals: i, width, column };
    }
    width += token.image.length + (i > first && !spacing[i]!.tight ? 1 : 0);
  }
  return null;
}

/**
 * The spaces that put `=` of neighbouring lines below each other, by the index of the `=`: always
 * of layers, of other lines of one kind where the author did so. A blank line separates.
 */
export function alignLines(text: Text, firsts: readonly number[]): Map<number, number> {
  const padding = new Map<number, number>();
  let run: Head[] = [];
  const close = () => {
    const widest = Math.max(...run.map((head) => head.width));
    for (const { equals, width } of run) padding.set(equals, widest - width);
    run = [];
  };
  for (const first of firsts) {
    const head = headOf(text, first);
    const above = run.at(-1);
    const joined =
      head !== null &&
      above !== undefined &&
      head.keyword === above.keyword &&
      (head.keyword === t.layer || head.column === above.column) &&
      !hasBlankLine(text, first);
    if (!joined) close();
    if (head !== null) run.push(head);
  }
  close();
  return padding;
}
