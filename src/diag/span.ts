/** A text that diagnostics can point into. */
export interface SourceText {
  /** As the user wrote it: what messages and metadata show. */
  readonly path: string;
  readonly text: string;
}

/** Half-open range of UTF-16 offsets in a text. */
export interface Span {
  readonly source: SourceText;
  readonly start: number;
  readonly end: number;
}

export interface Position {
  /** From 1. */
  readonly line: number;
  /** From 1, in UTF-16 units. */
  readonly column: number;
}

const lineStarts = new WeakMap<SourceText, readonly number[]>();

/** Where each line begins. A byte order mark is not part of the first one. */
function lineStartsOf(source: SourceText): readonly number[] {
  const known = lineStarts.get(source);
  if (known !== undefined) return known;
  const starts = [source.text.startsWith("\uFEFF") ? 1 : 0];
  for (const end of source.text.matchAll(/\r\n?|\n/g)) starts.push(end.index + end[0].length);
  lineStarts.set(source, starts);
  return starts;
}

/** Constant time but for the first call on a text, and a binary search. */
export function positionOf(source: SourceText, offset: number): Position {
  const starts = lineStartsOf(source);
  let line = 1;
  for (let after = starts.length; line < after; ) {
    const middle = (line + after) >> 1;
    if (starts[middle]! <= offset) line = middle + 1;
    else after = middle;
  }
  return { line, column: Math.max(1, offset - starts[line - 1]! + 1) };
}

/** A line's text without its end, and the offset where it begins. `line` is from 1. */
export function lineAt(source: SourceText, line: number): { text: string; start: number } {
  const starts = lineStartsOf(source);
  const start = starts[line - 1]!;
  let end = starts[line] ?? source.text.length;
  while (end > start && /[\r\n]/.test(source.text.charAt(end - 1))) end -= 1;
  return { text: source.text.slice(start, end), start };
}

/** The smallest span that holds both. */
export function joinSpans(first: Span, last: Span): Span {
  return {
    source: first.source,
    start: Math.min(first.start, last.start),
    end: Math.max(first.end, last.end),
  };
}

/** `slim.graft:4`, the form that provenance is written in. */
export function placeOf(span: Span): string {
  return `${span.source.path}:${positionOf(span.source, span.start).line}`;
}
