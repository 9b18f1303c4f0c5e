import type { Diagnostic } from "./diagnostic.ts";
import { positionOf, type Span } from "./span.ts";

/** A diagnostic as `--json` prints it: lines and columns from 1, null where there is no place. */
export interface JsonDiagnostic {
  readonly code: string;
  readonly severity: string;
  readonly message: string;
  readonly file: string | null;
  readonly line: number | null;
  readonly column: number | null;
  readonly hint: string | null;
  readonly related: readonly JsonRelated[];
  readonly notes: readonly string[];
}

export interface JsonRelated {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly text: string;
}

function place(at: Span) {
  return { file: at.source.path, ...positionOf(at.source, at.start) };
}

export function toJson(d: Diagnostic): JsonDiagnostic {
  return {
    code: d.code,
    severity: d.severity,
    message: d.message,
    ...(d.at === null ? { file: null, line: null, column: null } : place(d.at)),
    hint: d.hint,
    related: d.related.map(({ at, text }) => ({ ...place(at), text })),
    notes: d.notes,
  };
}
