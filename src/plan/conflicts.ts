/** What earlier statements did to blocks and parts, so that none is edited twice. */
import type * as ast from "../../grammar/ast.ts";
import { type Diagnostic, diagnostic } from "../diag/diagnostic.ts";
import type { Spot } from "./spots.ts";
import { listNames } from "./suggestions.ts";

interface Claims {
  whole: ast.Edit | null;
  readonly parts: Map<string, ast.Edit>;
}

/** By stack and index: `blocks[3]`. */
export type Ledger = Map<string, Claims>;

const done: Readonly<Record<ast.Edit["kind"], string>> = {
  replace: "replaced",
  resize: "resized",
  parallelize: "parallelized",
  remove: "removed",
  repeat: "repeated",
};

/**
 * Enters where an edit goes. Different parts of a block may be edited, and the whole block after them;
 * whatever else meets an earlier edit is reported, one diagnostic for each earlier statement.
 */
export function claim(ledger: Ledger, edit: ast.Edit, spots: readonly Spot[]): Diagnostic[] {
  const collisions = new Map<ast.Edit, string[]>();
  for (const { stack, index, part, label } of spots) {
    const block = `${stack}[${index}]`;
    const claims = ledger.get(block) ?? { whole: null, parts: new Map() };
    ledger.set(block, claims);
    const earlier = claims.whole ?? (part ? claims.parts.get(part) : undefined);
    if (earlier) collisions.set(earlier, [...(collisions.get(earlier) ?? []), label]);
    else if (part) claims.parts.set(part, edit);
    else claims.whole = edit;
  }
  return [...collisions].map(([earlier, labels]) =>
    diagnostic(
      "edited-twice",
      { labels: listNames(labels), done: done[earlier.kind] },
      {
        at: edit.target.span,
        related: [{ at: earlier.target.span, text: `${done[earlier.kind]} here` }],
      },
    ),
  );
}
