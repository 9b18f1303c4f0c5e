/** What an operator leaves out of what stood in its place. */
import type * as ast from "../../grammar/ast.ts";
import type { Span } from "../diag/span.ts";
import { mentions } from "../plan/mentions.ts";
import type { Placement } from "./placement.ts";

/** Says what an operator drops of an attention whose second stream, rotation or mask it does not use. */
export function warnOfLosses(
  { host, reporter }: Placement,
  { name, body }: ast.Operator,
  at: Span,
): void {
  const params = { operator: name.name, site: host.site };
  if (host.part?.context && !mentions(body, "context"))
    reporter.report("context-lost", params, { at });
  const found = host.part?.host;
  if (found?.kind !== "attention") return;
  if (found.rotation && !host.used.rotation) reporter.report("position-lost", params, { at });
  const masked = found.masks.length > 0 || found.causal;
  if (!masked || host.used.mask) return;
  const ordered = found.causal && host.used.order;
  if (ordered && found.onlyCausal) return;
  const what = ordered
    ? "what the attention mask hides beside later tokens, in"
    : "the attention mask of";
  const ahead = found.causal && !ordered;
  const notes = ahead ? ["tokens saw none behind themselves there: `host.causal` tells"] : [];
  reporter.report("mask-lost", { ...params, what }, { at, notes });
}
