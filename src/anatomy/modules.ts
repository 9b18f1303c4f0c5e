/** Blocks as exporters' module paths tell them apart, where what repeats does not. */
import type { Chain } from "./chains.ts";
import type { Placed } from "./placed.ts";
import { blockEnd, isIndex, scopeOf, sharedScope } from "./scopes.ts";

/**
 * Where a module with a new index begins, for each step of a row; null where not every step comes from
 * such a module. `letters` say which steps are alike.
 */
export function moduleStarts(chain: Chain<Placed>, letters: readonly string[]): boolean[] | null {
  const paths = chain.map(({ step }) => pathOf(step));
  for (const at of indicesIn(letters, paths)) {
    const starts = startsAt(at, paths);
    if (starts) return starts;
  }
  return null;
}

/** Where the paths of alike steps differ by an index, innermost first: stages hold blocks. */
function indicesIn(letters: readonly string[], paths: readonly string[][]): number[] {
  const found = new Set<number>();
  const last = new Map<string, string[]>();
  letters.forEach((letter, i) => {
    const before = last.get(letter);
    const at = paths[i]!.findIndex((step, j) => step !== before?.[j]);
    if (before && isIndex(paths[i]![at]) && isIndex(before[at])) found.add(at);
    last.set(letter, paths[i]!);
  });
  return [...found].sort((a, b) => b - a);
}

/** Where modules with an index at that step of their paths begin; null where they are no blocks. */
function startsAt(at: number, paths: readonly string[][]): boolean[] | null {
  // A module before the first block (positions by convolution) has none.
  const first = paths[0]!.length > 0 && !isIndex(paths[0]![at]) ? 1 : 0;
  if (!paths.slice(first).every((path) => isIndex(path[at]))) return null;
  const indices = paths.map((path) => path.slice(at, blockEnd(path, at)).join("."));
  const modules = paths.map((path, i) => [...path.slice(0, at), indices[i]].join("."));
  const starts = modules.map((module, i) => i <= first || module !== modules[i - 1]);
  // What an edit placed where nothing had a name has the index, but not the path, of its block.
  const unsure = starts.some((start, i) => start && i > first && indices[i] === indices[i - 1]);
  return unsure || new Set(modules).size === paths.length ? null : starts;
}

/** The module path that the projections of a step share; of one without any, all that it does. */
function pathOf({ drafts }: Placed): string[] {
  const maps = drafts.flatMap(({ branch }) => branch.linears.map(({ op }) => op));
  const ops = maps.length > 0 ? maps : drafts.flatMap(({ branch }) => branch.ops);
  return sharedScope(ops.map(({ place }) => scopeOf(place)));
}
