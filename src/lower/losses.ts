/** What an operator leaves out of what stood in its place. */
import type { Span } from "../diag/span.ts";
import type { Placement } from "./placement.ts";

/** Says what an operator drops of an attention whose rotation or mask it does not use. */
export function warnOfLosses({ host, reporter }: Placement, operator: string, at: Span): void {
  const found = host.part?.host;
  if (found?.kind !== "attention") return;
  const params = { operator, site: host.site };
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
