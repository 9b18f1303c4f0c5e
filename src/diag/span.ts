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

export function positionOf(source: SourceText, offset: number): Position {
  const before = source.text.slice(0, offset);
  const line = before.split("\n").length;
  return { line, column: offset - before.lastIndexOf("\n") };
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
