/** Steps in a row cut into blocks: by what repeats, starting a block where tokens mix again. */
import type { Chain, ChainItem } from "./chains.ts";
import { type Placed, placeOf, type Sort } from "./placed.ts";
import { differingStep, scopeOf, sharedScope } from "./scopes.ts";

export type Item = ChainItem<Placed>;
/** One letter a step: Attention, Cross-attention, Mlp, Parallel attention and MLP, X unknown. */
type Letter = "A" | "C" | "M" | "P" | "X";

/** What a step is taken for in its row, unknown mixers decided. */
export function lettersOf(chain: Chain<Placed>): Letter[] {
  const raw = chain.map(({ step }) => letterOf(step.drafts.map(placeOf)));
  if (!raw.includes("X")) return raw;
  const forms = chain.map(({ step }) =>
    step.drafts.map(({ branch }) => formOf(branch.ops)).join("|"),
  );
  const decided: Letter[] = [];
  const alone = raw.every((letter, i) => letter === "X" && forms[i] === forms[0]);
  for (const [i, letter] of raw.entries()) {
    decided.push(letter !== "X" ? letter : alone ? "A" : decide(decided.at(-1), raw[i + 1]));
  }
  return decided;
}

/** Behind a mixer, and before the next one or the end, stands what blocks have their MLP for. */
function decide(before: Letter | undefined, after: Letter | undefined): Letter {
  const mixed = before === "A" || before === "C";
  return mixed && after !== "M" ? "M" : "A";
}

function letterOf(sorts: readonly Sort[]): Letter {
  const mixes = sorts.some((sort) => sort !== "mlp");
  if (mixes && sorts.includes("mlp")) return "P";
  if (sorts.includes("attn")) return "A";
  if (sorts.includes("cross")) return "C";
  return mixes ? "X" : "M";
}

/** Which operators it takes, in whatever order. */
function formOf(ops: readonly { readonly type: string }[]): string {
  return [...new Set(ops.map((op) => op.type))].sort().join(" ");
}

/** The blocks of a row, each a run of its items. */
export function groupsOf(chain: Chain<Placed>, letters: readonly Letter[]): Item[][] {
  const byModule = modulesOf(chain, letters);
  const forced = chain.map(
    ({ link, beside }, i) =>
      beside !== null || link?.kind === "skip" || link?.kind === "pair" || byModule[i]!,
  );
  const starts = letters.some((letter) => letter === "M" || letter === "P")
    ? (byFrame(letters, forced) ?? byTemplate(letters, forced))
    : byPeriod(letters, forced);
  const groups: Item[][] = [];
  chain.forEach((item, i) => {
    if (starts[i] || groups.length === 0) groups.push([]);
    groups.at(-1)!.push(item);
  });
  return groups;
}

/**
 * Two blocks, of which one lacks a step, show nothing that repeats. Where equal steps come from modules
 * that an index tells apart, and each step has such an index, a new one begins a block.
 */
function modulesOf(chain: Chain<Placed>, letters: readonly Letter[]): boolean[] {
  const none = letters.map(() => false);
  if (mixersBehindMlps(letters).includes(true) || new Set(letters).size === letters.length)
    return none;
  const paths = chain.map(({ step }) => pathOf(step));
  const twin = letters.findIndex((letter, i) => letters.indexOf(letter) < i);
  const at = differingStep([paths[letters.indexOf(letters[twin]!)]!, paths[twin]!]);
  const indices = paths.map((path) => path.slice(0, at + 1).join("."));
  const groups = new Set(indices).size;
  const told = at >= 0 && paths.every((path) => /^\d+$/.test(path[at] ?? ""));
  return told && groups < letters.length
    ? indices.map((x, i) => i > 0 && x !== indices[i - 1])
    : none;
}

/** The module path that the projections of a step share. */
function pathOf({ drafts }: Placed): string[] {
  const maps = drafts.flatMap(({ branch }) => branch.linears);
  return sharedScope(maps.map(({ op }) => scopeOf(op.place)));
}

/** Without MLPs: the shortest period of the whole row. */
function byPeriod(letters: readonly Letter[], forced: readonly boolean[]): boolean[] {
  const period = periodOf(letters);
  return letters.map((_, i) => i % period === 0 || forced[i]!);
}

/** The least number of letters that the row repeats as a whole. */
function periodOf(letters: readonly Letter[]): number {
  let period = 1;
  while (!letters.every((letter, i) => letter === letters[i % period])) period++;
  return period;
}

/** What a block has on both sides, an MLP of its mixers or a mixer of its MLP, shows where rows repeat. */
const framed = /^M+[^MP]+M+$|^[^MP]+M+[^MP]+$/;

function byFrame(letters: readonly Letter[], forced: readonly boolean[]): boolean[] | null {
  const period = periodOf(letters);
  const starts = letters.map((_, i) => i % period === 0);
  const whole = letters.length % period === 0 && letters.length > period;
  const along = forced.every((force, i) => starts[i] || !force);
  return whole && along && framed.test(letters.slice(0, period).join("")) ? starts : null;
}

/** First by the rule (a mixer behind an MLP starts a block), then by the form most blocks have. */
function byTemplate(letters: readonly Letter[], forced: readonly boolean[]): boolean[] {
  const behind = mixersBehindMlps(letters);
  const simple = letters.map((_, i) => forced[i]! || i === 0 || behind[i]!);
  const template = rotated(commonest(wordsOf(letters, simple)), letters, simple);
  // Where blocks have one sum, any other sum is that of a block which lacks a branch.
  if (template === "P") return letters.map(() => true);
  let at = -1;
  return letters.map((letter, i) => {
    const next = [...template].findIndex((other, j) => j > at && other === letter);
    // What the template lacks belongs to the block it is in, but for a mixer behind a block's end.
    const unknown = !template.includes(letter) && !simple[i];
    if (!forced[i] && i > 0 && (unknown || next >= 0)) {
      if (next >= 0) at = next;
      return false;
    }
    at = template.indexOf(letter);
    return true;
  });
}

function mixersBehindMlps(letters: readonly Letter[]): boolean[] {
  const ends = (letter: Letter | undefined) => letter === "M" || letter === "P";
  return letters.map((letter, i) => ends(letters[i - 1]) && letter !== "M");
}

function wordsOf(letters: readonly Letter[], starts: readonly boolean[]): string[] {
  const words: string[] = [];
  letters.forEach((letter, i) => {
    if (starts[i]) words.push("");
    words[words.length - 1] += letter;
  });
  return words;
}

/** The most frequent word in which tokens meet; of equally frequent ones the shortest. */
function commonest(all: readonly string[]): string {
  const mixing = all.filter((word) => /[^M]/.test(word));
  const counts = new Map<string, number>();
  for (const word of mixing.length > 0 ? mixing : all)
    counts.set(word, (counts.get(word) ?? 0) + 1);
  const sorted = [...counts].sort(([a, m], [b, n]) => n - m || a.length - b.length);
  return sorted[0]![0];
}

/** Blocks that begin with an MLP (macaron) show as a last word that lacks what the first has alone. */
function rotated(template: string, letters: readonly Letter[], starts: readonly boolean[]): string {
  const words = wordsOf(letters, starts);
  const lead = words[0]!;
  if (words.length < 3 || /[^M]/.test(lead) || !template.endsWith(lead)) return template;
  const rest = template.slice(0, -lead.length);
  return words.at(-1) === rest ? lead + rest : template;
}
