import { type Code, messages } from "./messages/index.ts";
import type { Span } from "./span.ts";
import { fill, type ParamsOf, type Severity } from "./template.ts";

export interface Diagnostic {
  readonly code: Code;
  readonly severity: Severity;
  /** One sentence. */
  readonly message: string;
  readonly at: Span | null;
  /** Stands behind the carets: the way out, in a few words. */
  readonly hint: string | null;
  /** Other places that have a part in it, each shown with its line: the statement before, ... */
  readonly related: readonly Related[];
  /** Further lines: what the model has at that place, ... */
  readonly notes: readonly string[];
}

/** A second place, and what it has to do with the first. */
export interface Related {
  readonly at: Span;
  readonly text: string;
}

export interface Details {
  readonly at?: Span | null | undefined;
  readonly hint?: string | null | undefined;
  readonly related?: readonly Related[] | undefined;
  readonly notes?: readonly string[] | undefined;
}

/** One diagnostic of the table, with its parameters filled in. */
export function diagnostic<C extends Code>(
  code: C,
  params: ParamsOf<(typeof messages)[C]>,
  details: Details = {},
): Diagnostic {
  const template = messages[code];
  return {
    code,
    severity: template.severity,
    message: fill(template, params),
    at: details.at ?? null,
    hint: details.hint ?? null,
    related: details.related ?? [],
    notes: details.notes ?? [],
  };
}

/** The author's mistake, or the world's: shown without a stack trace, exit code 1. */
export class GraftError extends Error {
  readonly diagnostics: readonly Diagnostic[];
  constructor(diagnostics: readonly Diagnostic[]) {
    super(diagnostics.map((d) => `${d.severity}[${d.code}]: ${d.message}`).join("\n"));
    this.name = "GraftError";
    this.diagnostics = diagnostics;
  }
}

/** `throw fail("code", {...}, {...})`: one mistake that ends the present step. */
export function fail<C extends Code>(
  code: C,
  params: ParamsOf<(typeof messages)[C]>,
  details: Details = {},
): GraftError {
  return new GraftError([diagnostic(code, params, details)]);
}

/** The mistake with this place, where it names none; anything else as it is. */
export function placed(cause: unknown, at: Span): unknown {
  if (!(cause instanceof GraftError)) return cause;
  return new GraftError(cause.diagnostics.map((each) => ({ ...each, at: each.at ?? at })));
}

/** Collects what a run has to say, so that one run shows every mistake. */
export class Reporter {
  readonly diagnostics: Diagnostic[] = [];

  report<C extends Code>(
    code: C,
    params: ParamsOf<(typeof messages)[C]>,
    details: Details = {},
  ): void {
    this.diagnostics.push(diagnostic(code, params, details));
  }

  get failed(): boolean {
    return this.diagnostics.some((d) => d.severity === "error");
  }

  /** Runs `step`; a GraftError becomes part of the report and the result is undefined. */
  attempt<T>(step: () => T): T | undefined {
    try {
      return step();
    } catch (cause) {
      if (!(cause instanceof GraftError)) throw cause;
      this.diagnostics.push(...cause.diagnostics);
      return undefined;
    }
  }

  /** @throws GraftError with everything reported so far, if any of it is an error. */
  throwIfFailed(): void {
    if (this.failed) throw new GraftError(this.diagnostics);
  }
}
