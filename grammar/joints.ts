/** What stands between two tokens: white space, line breaks, and the comments in their places. */
import type { IToken } from "chevrotain";
import { positionOf, type SourceText } from "../src/diag/span.ts";
import type { Gaps } from "./comments.ts";
import { comment, type Doc, hardLine, indent, line } from "./doc.ts";
import { endOf, isCloser, isOpener, t } from "./tokens.ts";

/** A text in tokens, and the comments between them. */
export interface Stream {
  readonly source: SourceText;
  readonly tokens: readonly IToken[];
  readonly gaps: Gaps;
}

export interface Separator {
  /** What it is on one line. */
  readonly flat: "" | " ";
  /** "maybe": where the group around it breaks. */
  readonly breaks: "never" | "maybe" | "always";
  /** Whether one empty line of the author's is kept. */
  readonly blank: boolean;
  /** Whether what a comment pushes onto the next line is indented there. */
  readonly hangs?: boolean;
}

export const tight: Separator = { flat: "", breaks: "never", blank: false, hangs: true };
export const spaced: Separator = { flat: " ", breaks: "never", blank: false, hangs: true };
/** Between the branches of an `if`. */
export const branching: Separator = { flat: " ", breaks: "never", blank: false };

/** A comment, and how many line ends separate it from what is before it. */
interface Remark {
  readonly token: IToken;
  readonly text: string;
  readonly toLineEnd: boolean;
  readonly newlines: number;
}

interface Gap {
  readonly remarks: readonly Remark[];
  /** Line ends between the last comment, or the token before, and the token. */
  readonly newlines: number;
}

function newlinesIn({ text }: SourceText, start: number, end: number): number {
  return text.slice(start, end).match(/\r\n?|\n/g)?.length ?? 0;
}

/** The gap before token `i`; that of `tokens.length` is the end of the file. */
function gapBefore({ source, tokens, gaps }: Stream, i: number): Gap {
  const offset = tokens[i]?.startOffset ?? source.text.length;
  let end = i === 0 ? 0 : endOf(tokens[i - 1]!);
  const remarks: Remark[] = [];
  for (const token of gaps.get(offset) ?? []) {
    const toLineEnd = token.image.startsWith("//");
    const text = toLineEnd ? token.image.trimEnd() : token.image.replace(/\r\n?/g, "\n");
    remarks.push({ token, text, toLineEnd, newlines: newlinesIn(source, end, token.startOffset) });
    end = endOf(token);
  }
  return { remarks, newlines: newlinesIn(source, end, offset) };
}

/** Whether the author left a line empty before token `i`, or before a comment there. */
export function hasBlankLine(text: Stream, i: number): boolean {
  const { remarks, newlines } = gapBefore(text, i);
  return newlines > 1 || remarks.some((remark) => remark.newlines > 1);
}

const opens = (token: IToken | undefined) => token !== undefined && isOpener(token);
/** Whether no space stands between a comment and this token. */
const clings = (token: IToken | undefined) =>
  token !== undefined && (isCloser(token) || token.tokenType === t[","]);

/** How many comments before token `i` belong to the line of the token before it. */
function countTrailing(text: Stream, i: number, { remarks, newlines }: Gap): number {
  const own = remarks.findIndex((remark) => remark.newlines > 0);
  const count = own < 0 ? remarks.length : own;
  const lineEnds = own >= 0 || newlines > 0 || i === text.tokens.length;
  const last = remarks[count - 1];
  if (i === 0 || last === undefined || !lineEnds) return 0;
  return opens(text.tokens[i - 1]) && !last.toLineEnd ? 0 : count;
}

/** A comment behind a token: at the end of a line it keeps its column, if it had one of its own. */
function trailing({ source, tokens }: Stream, i: number, { token, text, toLineEnd }: Remark): Doc {
  if (!toLineEnd) return ` ${text}`;
  const { column } = positionOf(source, token.startOffset);
  const lineStart = token.startOffset - column + 1;
  let first = i - 1;
  while (first > 0 && tokens[first - 1]!.startOffset >= lineStart) first -= 1;
  const apart = token.startOffset - endOf(tokens[i - 1]!) > 1;
  return comment(text, 1, apart ? column - 1 : 0, tokens[first]!.startOffset);
}

/** All that stands between the tokens `i - 1` and `i`. */
export function joint(text: Stream, i: number, separator: Separator): Doc {
  const { source, tokens, gaps } = text;
  const { flat, breaks, blank } = separator;
  if (!gaps.has(tokens[i]?.startOffset ?? source.text.length)) {
    if (breaks === "never" || i === 0) return flat;
    const empty = blank && hasBlankLine(text, i);
    return breaks === "always" ? hardLine(empty) : line(flat, empty);
  }
  const gap = gapBefore(text, i);
  const count = countTrailing(text, i, gap);
  const ahead = { ...gap, remarks: gap.remarks.slice(count) };
  const behind = gap.remarks.slice(0, count);
  return [
    behind.map((remark) => trailing(text, i, remark)),
    i === 0 ? "" : separation(text, i, separator, behind, ahead),
    ahead.remarks.map((remark, k) => leading(text, i, separator, ahead, remark, k)),
  ];
}

/** The separator between the comments that belong to what is before it and those after it. */
function separation(
  { tokens }: Stream,
  i: number,
  separator: Separator,
  behind: readonly Remark[],
  { remarks: [next, second], newlines }: Gap,
): Doc {
  const { flat, breaks, blank } = separator;
  const before = next?.newlines ?? newlines;
  const after = second?.newlines ?? newlines;
  const ownLine = next !== undefined && before > 0 && (next.toLineEnd || after > 0);
  if (behind.at(-1)?.toLineEnd || ownLine || breaks === "always") return broken(separator, before);
  if (breaks === "maybe") return line(flat, blank && before > 1);
  const apart = next !== undefined ? !opens(tokens[i - 1]) : !clings(tokens[i]);
  return apart ? " " : flat;
}

/** A comment before token `i`, and what separates it from the next one or the token. */
function leading(
  { tokens }: Stream,
  i: number,
  separator: Separator,
  { remarks, newlines }: Gap,
  remark: Remark,
  k: number,
): Doc {
  const next = remarks[k + 1];
  const after = next?.newlines ?? newlines;
  const follows = k > 0 && remark.newlines === 0;
  const text = remark.toLineEnd ? comment(remark.text, follows ? 1 : 0) : remark.text;
  if (next === undefined && i === tokens.length) return text;
  if (after > 0 || remark.toLineEnd) return [text, broken(separator, after)];
  const close = next === undefined ? clings(tokens[i]) : next.toLineEnd;
  return close ? text : [text, " "];
}

function broken({ hangs, blank }: Separator, newlines: number): Doc {
  return hangs ? indent(hardLine()) : hardLine(blank && newlines > 1);
}

/** What stands before a closing bracket: comments still belong to what is inside. */
export function closingJoint(text: Stream, i: number, separator: Separator): Doc {
  const { remarks } = gapBefore(text, i);
  const { flat, breaks } = separator;
  const inside: Doc[] = [];
  for (const [k, remark] of remarks.entries()) {
    const begins = k === 0 && opens(text.tokens[i - 1]);
    if (remark.newlines > 0) inside.push(hardLine(remark.newlines > 1 && !begins), remark.text);
    else if (remark.toLineEnd) inside.push(trailing(text, i, remark));
    else inside.push(begins && breaks === "maybe" ? flat : " ", remark.text);
  }
  const hard = breaks === "always" || remarks.at(-1)?.toLineEnd === true;
  return [indent(inside), hard ? hardLine() : breaks === "maybe" ? line(flat) : flat];
}
