/**
 * Blocks that lack steps, as edits leave them. Where blocks norm the stream, the norms of a step that
 * is gone still stand, in a row with those of its neighbours: to each block its own.
 */
import type { Findings } from "./branch.ts";
import type { BlockDraft, StepDraft } from "./drafts.ts";
import { normAfter, normBefore } from "./end-norms.ts";
import type { Wire } from "./flow.ts";
import type { NormMatch } from "./norms.ts";
import { regionBetween } from "./region.ts";

/** `words` are the sorts of the blocks' steps, one letter each. */
export function shareNorms(
  drafts: readonly BlockDraft[],
  words: readonly string[],
  findings: Findings,
): readonly BlockDraft[] {
  const whole = wholeBlock(words);
  if (!whole || words.every((word) => word === whole) || !drafts.some(normsStream)) return drafts;
  const extra = drafts.slice(0, -1).map(({ steps }) => steps.at(-1)!.norms.length - 1);
  // Where a block has no norm left of the step that it lacks, those like it never had that step.
  const lost = (word: string, left: (i: number) => number | undefined) =>
    words.some((other, i) => other === word && left(i) === 0) ? 0 : whole.length - word.length;
  const ahead = words.map((word) => (whole.endsWith(word) ? lost(word, (i) => extra[i - 1]) : 0));
  const behind = words.map((word) => (whole.startsWith(word) ? lost(word, (i) => extra[i]) : 0));
  const shared = [...drafts];
  shared[0] = withLead(drafts[0]!, normsBefore(drafts[0]!.input, ahead[0]!, findings));
  for (let i = 0; i + 1 < shared.length; i++) {
    const { norms } = shared[i]!.steps.at(-1)!;
    const [kept, left] = [norms.slice(0, 1 + behind[i]!), norms.slice(1 + behind[i]!)];
    if (left.length === 0 || left.length > ahead[i + 1]!) continue;
    shared[i] = endingIn(shared[i]!, kept);
    shared[i + 1] = withLead(shared[i + 1]!, left);
  }
  const last = shared.at(-1)!;
  const found = [...last.steps.at(-1)!.norms];
  for (let i = 0; i < behind.at(-1)!; i++) {
    const norm = normAfter(found.at(-1)?.to ?? last.output, findings);
    if (norm) found.push(norm);
  }
  shared[shared.length - 1] = endingIn(last, found);
  return shared;
}

/** What a block is made of that lacks nothing: the others are its beginning or its end. */
function wholeBlock(words: readonly string[]): string | null {
  const longest = [...words].sort((a, b) => b.length - a.length)[0]!;
  const within = (word: string) => longest.startsWith(word) || longest.endsWith(word);
  return words.every(within) ? longest : null;
}

function normsStream({ steps }: BlockDraft): boolean {
  return steps.every(({ norms, step }) => norms.length > 0 && step.drafts.every(isPlain));
}

function isPlain({ branch }: { readonly branch: { readonly norms: readonly NormMatch[] } }) {
  return branch.norms.length === 0;
}

function normsBefore(start: Wire, count: number, findings: Findings): NormMatch[] {
  const norms: NormMatch[] = [];
  for (let i = 0; i < count; i++) {
    const norm = normBefore(norms[0]?.from ?? start, findings);
    if (norm) norms.unshift(norm);
  }
  return norms;
}

function withLead(block: BlockDraft, norms: readonly NormMatch[]): BlockDraft {
  const [first] = norms;
  const ops = first && regionBetween(first.from, block.input)?.ops;
  if (!ops || block.lead || !first.from.value) return block;
  return { ...block, input: first.from, lead: { kind: "norm", ops, norms, skips: [] } };
}

function endingIn(block: BlockDraft, norms: readonly NormMatch[]): BlockDraft {
  const last = block.steps.at(-1)!;
  const exit = norms.at(-1)?.to;
  const glue = exit && regionBetween(last.step.y, exit)?.ops;
  if (!glue || !exit.value) return block;
  const ended: StepDraft = { ...last, norms, exit, glue };
  return { ...block, steps: [...block.steps.slice(0, -1), ended], output: exit };
}
