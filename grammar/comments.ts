import type { IToken } from "chevrotain";
import type { SourceText } from "../src/diag/span.ts";

/** The comments between two tokens, by the offset of the second; at the end, by the text's length. */
export type Gaps = ReadonlyMap<number, readonly IToken[]>;

export function gapsOf(
  source: SourceText,
  tokens: readonly IToken[],
  comments: readonly IToken[],
): Gaps {
  const gaps = new Map<number, IToken[]>();
  let next = 0;
  for (const comment of comments) {
    while (next < tokens.length && tokens[next]!.startOffset < comment.startOffset) next += 1;
    const offset = tokens[next]?.startOffset ?? source.text.length;
    const gap = gaps.get(offset);
    if (gap === undefined) gaps.set(offset, [comment]);
    else gap.push(comment);
  }
  return gaps;
}

/** Whether nothing but white space precedes `offset` on its line. */
function opensLine({ text }: SourceText, offset: number): boolean {
  let at = offset;
  while (at > 0 && /[ \t\f\v\u00A0\uFEFF]/.test(text[at - 1]!)) at -= 1;
  return at === 0 || /[\r\n]/.test(text[at - 1]!);
}

/** The text of the `///` lines that stand right before a token, null where there are none. */
export function docOf(source: SourceText, comments: readonly IToken[] = []): string | null {
  const lines: string[] = [];
  for (const { image, startOffset } of comments.toReversed()) {
    if (!/^\/\/\/(?!\/)/.test(image) || !opensLine(source, startOffset)) break;
    lines.unshift(image.replace(/^\/\/\/ ?/, "").trimEnd());
  }
  return lines.length === 0 ? null : lines.join("\n");
}
