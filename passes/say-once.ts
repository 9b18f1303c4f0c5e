import type { Diagnostic } from "../src/diag/diagnostic.ts";
import type { Site } from "../src/plan/plan.ts";

/** What a statement says of several sites in the same words is said once, with the others named. */
export function sayOnce(diagnostics: readonly Diagnostic[], sites: readonly Site[]): Diagnostic[] {
  const labels = sites.map((site) => site.label).sort((a, b) => b.length - a.length);
  const labelIn = (text: string) => labels.find((label) => text.includes(label));
  const groups = new Map<string, { readonly first: Diagnostic; readonly also: Set<string> }>();
  for (const diagnostic of diagnostics) {
    const label = labelIn(diagnostic.message);
    const words = label ? diagnostic.message.replaceAll(label, "") : diagnostic.message;
    const key = `${diagnostic.code} ${diagnostic.at?.start} ${words}`;
    const known = groups.get(key);
    if (!known) groups.set(key, { first: diagnostic, also: new Set() });
    else if (label) known.also.add(label);
  }
  return [...groups.values()].map(({ first, also }) =>
    also.size === 0
      ? first
      : { ...first, notes: [...first.notes, `the same goes for ${[...also].join(", ")}`] },
  );
}
