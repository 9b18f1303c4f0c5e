/** Steps in a row cut into blocks: by what repeats, starting a block where tokens mix again. */
import type { Chain, ChainItem } from "./chains.ts";
import { moduleStarts } from "./modules.ts";
import { type Placed, placeOf, type Sort } from "./placed.ts";

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
  const forced = chain.map(
    ({ link, beside }) => beside !== null || link?.kind === "skip" || link?.kind === "pair",
  );
  const starts =
    byNorms(chain, letters) ?? byModule(chain, letters, forced) ?? byLetters(letters, forced);
  const groups: Item[][] = [];
  chain.forEach((item, i) => {
    if (starts[i] || groups.length === 0) groups.push([]);
    groups.at(-1)!.push(item);
  });
  return groups;
}

/** Blocks that norm the stream where they end, if it is plain that what lies between is one. */
function byNorms(chain: Chain<Placed>, letters: readonly Letter[]): boolean[] | null {
  const starts = chain.map(({ link }, i) => i === 0 || link?.kind === "norm");
  const words = wordsOf(letters, starts);
  return words.length > 1 && words.every((word) => macaron.test(word)) ? starts : null;
}

function byLetters(letters: readonly Letter[], forced: readonly boolean[]): boolean[] {
  if (!letters.some((letter) => letter === "M" || letter === "P")) return byPeriod(letters, forced);
  return byFrame(letters, forced) ?? byTemplate(letters, forced);
}

/**
 * Where blocks differ, what repeats does not tell them apart for sure. Modules do, if each step comes
 * from one that has an index there: a new index begins a block.
 */
function byModule(
  chain: Chain<Placed>,
  letters: readonly Letter[],
  forced: readonly boolean[],
): boolean[] | null {
  const words = wordsOf(letters, mixersBehindMlps(letters));
  const repeats = words.length > 1 || new Set(letters).size === letters.length;
  if (repeats && words.every((word) => word === words[0])) return null;
  const starts = moduleStarts(chain, letters);
  return starts?.map((start, i) => start || forced[i]!) ?? null;
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

/** Blocks that begin with an MLP, or have a mixer on both sides of it, show where rows repeat. */
const framed = /^M+[^MP]+M*$|^[^MP]+M+[^MP]+$/;
/** And by themselves only with an MLP on both sides. */
const macaron = /^M+[^MP]+M+$/;

function byFrame(letters: readonly Letter[], forced: readonly boolean[]): boolean[] | null {
  const period = periodOf(letters);
  const repeats = letters.length > period && letters.length % period === 0;
  const word = repeats ? letters.slice(0, period) : letters;
  const starts = letters.map((_, i) => i % word.length === 0);
  const along = forced.every((force, i) => starts[i] || !force);
  return along && (repeats ? framed : macaron).test(word.join("")) ? starts : null;
}

/** First by the rule (a mixer behind an MLP starts a block), then by the form most blocks have. */
function byTemplate(letters: readonly Letter[], forced: readonly boolean[]): boolean[] {
  const simple = mixersBehindMlps(letters).map((start, i) => start || forced[i]!);
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

/** The first step, and every mixer behind an MLP. */
function mixersBehindMlps(letters: readonly Letter[]): boolean[] {
  const ends = (letter: Letter | undefined) => letter === "M" || letter === "P";
  return letters.map((letter, i) => i === 0 || (ends(letters[i - 1]) && letter !== "M"));
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
