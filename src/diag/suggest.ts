import { distance } from "fastest-levenshtein";

/** What people write for one name: `HyenaX`, `hyena-x` and `hyenax` are `hyena_x`. */
function bare(name: string): string {
  return name.replace(/[\s_.-]/g, "").toLowerCase();
}

/** Levenshtein's distance, but two letters that changed places are one mistake. */
function editsBetween(a: string, b: string): number {
  if (a === b) return 0;
  const edits = distance(a, b);
  const swapped = edits === 2 && [...a].sort().join("") === [...b].sort().join("");
  return swapped ? 1 : edits;
}

/**
 * "Did you mean ...?": the candidate that the author most probably meant, or undefined where none
 * is near. One edit is allowed for every three letters of the longer name; names that differ in case or
 * underscores alone are always near. The first of equally near candidates wins.
 */
export function nearest(name: string, candidates: Iterable<string>): string | undefined {
  const wanted = bare(name);
  let best: string | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const other = bare(candidate);
    const allowed = Math.floor(Math.max(wanted.length, other.length) / 3);
    if (Math.abs(wanted.length - other.length) > allowed) continue;
    const edits = editsBetween(wanted, other);
    if (edits <= allowed && edits < least) {
      best = candidate;
      least = edits;
    }
  }
  return best;
}
