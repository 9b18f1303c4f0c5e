/** Blocks as rows of steps, before they get names: where each begins and ends. */
import type { Findings } from "./branch.ts";
import { type Chain, chainsOf, type Link } from "./chains.ts";
import { normAfter } from "./end-norms.ts";
import type { Flow, Op, Wire } from "./flow.ts";
import { shareNorms } from "./gaps.ts";
import { groupsOf, type Item, lettersOf } from "./grouping.ts";
import { joinSecondStreams, secondChains } from "./joint.ts";
import { keepsOrder } from "./moves.ts";
import type { NormMatch } from "./norms.ts";
import { type Draft, isTokenStream, type Placed, placeOf } from "./placed.ts";

export interface StepDraft {
  readonly step: Placed;
  /** Norms between the sum and the next step, where blocks norm behind the sum. */
  readonly norms: readonly NormMatch[];
  /** The stream behind those norms, and in the shape that the next step reads. */
  readonly exit: Wire;
  /** From the sum to `exit`. */
  readonly glue: readonly Op[];
  /** An unknown mixer in the place of the block's MLP. */
  readonly asMlp: boolean;
}

export interface BlockDraft {
  readonly steps: readonly StepDraft[];
  readonly input: Wire;
  readonly output: Wire;
  /** What stands before the first step: an earlier point of the stream comes in there (U-ViT). */
  readonly lead: Link | null;
  second: SecondStream | null;
}

/** The block's share of the second stream. */
export interface SecondStream {
  readonly input: Wire;
  /** null where the stream ends here: the block reads it only. */
  readonly output: Wire | null;
  readonly steps: readonly StepDraft[];
}

export interface StackDraft {
  readonly blocks: readonly BlockDraft[];
}

export interface Drafts {
  readonly stacks: readonly StackDraft[];
  /** Residual steps that are no blocks, and why. */
  readonly refused: readonly { readonly steps: readonly Placed[]; readonly why: Refusal }[];
}

export type Refusal = "convolutional" | "no-mixing" | "fused" | "lead";

export function draftStacks(flow: Flow, placed: readonly Placed[], findings: Findings): Drafts {
  const tokens = placed.filter((step) => isTokenStream(step, findings));
  const convolutional = placed.filter((step) => !tokens.includes(step));
  const chains = chainsOf(flow, tokens, findings);
  const seconds = secondChains(chains, flow);
  const loose: Placed[] = [];
  const fused: Placed[] = [];
  const leads: Placed[] = [];
  const stacks: StackDraft[] = [];
  for (const chain of chains) {
    if (seconds.has(chain)) continue;
    const steps = chain.map(({ step }) => step);
    const found = mixes(chain) ? stacksOf(chain, findings) : [];
    if (found.length === 0) loose.push(...steps);
    else if (found.every(isNamed)) {
      stacks.push(...found);
      const taken = new Set(found.flatMap(({ blocks }) => blocks.flatMap(stepsOf)));
      leads.push(...steps.filter((step) => !taken.has(step)));
    } else fused.push(...steps);
  }
  joinSecondStreams(stacks, seconds, findings);
  const refused = [
    { steps: convolutional, why: "convolutional" as const },
    { steps: loose, why: "no-mixing" as const },
    { steps: fused, why: "fused" as const },
    { steps: leads, why: "lead" as const },
  ];
  return { stacks, refused: refused.filter(({ steps }) => steps.length > 0) };
}

function stepsOf({ steps }: BlockDraft): Placed[] {
  return steps.map(({ step }) => step);
}

/** A mixer alone before blocks that attend (positions by convolution) is none of them. */
function withoutLead(groups: readonly Item[][]): readonly Item[][] {
  const [first, ...rest] = groups;
  const draftsOf = (group: readonly Item[]) => group.flatMap(({ step }) => step.drafts);
  const isMixer = (draft: Draft) => placeOf(draft) === "mixer" && !draft.as;
  const attends = (group: Item[]) => draftsOf(group).some(({ core, as }) => core || as);
  const lead = first?.length === 1 && draftsOf(first).every(isMixer);
  const plain = rest.some((group) => group.length > 1 && attends(group));
  const alike = rest.every((group) => attends(group) || !draftsOf(group).some(isMixer));
  return lead && plain && alike ? rest : groups;
}

/** Blocks begin and end at values of the model. */
function isNamed({ blocks }: StackDraft): boolean {
  return blocks.every(({ input, output }) => input.value && output.value);
}

/** A stack attends somewhere; or it repeats an unknown mixer. */
function mixes(chain: Chain<Placed>): boolean {
  const sorts = chain.flatMap(({ step }) => step.drafts.map(placeOf));
  const mixers = sorts.filter((sort) => sort === "mixer").length;
  return sorts.some((sort) => sort === "attn" || sort === "cross") || mixers > 1;
}

function stacksOf(chain: Chain<Placed>, findings: Findings): StackDraft[] {
  const letters = lettersOf(chain);
  const groups = withoutLead(groupsOf(chain, letters));
  const indexOf = new Map(chain.map((item, i) => [item, i]));
  const heads = groups.slice(1).map((group) => group[0]!);
  const drafted = stepDrafts(chain, findings, heads);
  const steps = new Map(drafted.map((draft) => [draft.step, draft]));
  const drafts = groups.map((group): BlockDraft => {
    const own = group.map(({ step }) => steps.get(step)!);
    const { step, link, beside } = group[0]!;
    const before = chain[indexOf.get(group[0]!)! - 1];
    // A stream that is cut into its tokens and joined again is the same stream.
    const moved = link?.kind === "moved" && !keepsOrder(link.ops);
    const lead = link?.kind === "skip" || moved ? link : null;
    const input = beside ?? (lead && before ? before.step.y : step.x);
    return { steps: own, input, output: own.at(-1)!.exit, lead, second: null };
  });
  const words = groups.map((group) => group.map((item) => letters[indexOf.get(item)!]!).join(""));
  return splitAtNorms(shareNorms(withOffset(drafts), words, findings), groups);
}

/** Where every block first adds one and the same value, as Cosmos adds positions, so does the first. */
function withOffset(drafts: readonly BlockDraft[]): readonly BlockDraft[] {
  const [first, ...others] = drafts;
  const [offset, ...more] = new Set(others.map(offsetOf));
  const op = first!.input.from;
  if (!offset || more.length > 0 || first!.lead || op?.type !== "Add") return drafts;
  const [input, ...rest] = op.inputs.filter((wire) => wire !== offset);
  if (!op.inputs.includes(offset) || !input?.value || rest.length > 0) return drafts;
  const lead: Link = { kind: "moved", ops: [op], norms: [], skips: [] };
  return [{ ...first!, input, lead }, ...others];
}

/** What a block adds to its stream before anything else. */
function offsetOf({ input, lead }: BlockDraft): Wire | null {
  const [op, ...more] = lead?.ops ?? [];
  if (op?.type !== "Add" || more.length > 0) return null;
  return op.inputs.find((wire) => wire !== input) ?? null;
}

/** The steps of a row with their ends; `heads` begin its blocks, but for the first. */
export function stepDrafts(
  chain: Chain<Placed>,
  findings: Findings,
  heads: Chain<Placed> = [],
): StepDraft[] {
  const letters = lettersOf(chain);
  const [between, all] = [heads, chain].map((items) =>
    items.flatMap(({ link }) => (link && link.kind !== "pair" ? [link.kind === "norm"] : [])),
  ) as [boolean[], boolean[]];
  const most = (norms: boolean[]) => norms.filter((norm) => norm).length * 2 > norms.length;
  // The last block ends as those before it do; where there are none, as most of its steps.
  const postNorm =
    between.length > 0 && (between.every((norm) => norm) || !most(between))
      ? between[0]!
      : most(all);
  return chain.map(({ step }, i): StepDraft => {
    const ahead = chain[i + 1];
    const link = ahead?.beside ? null : ahead?.link;
    const asMlp = letters[i] === "M" && step.drafts.every(({ sort }) => sort === "mixer");
    const next = link && ahead ? ahead.step : null;
    const last = !next || link?.kind === "pair";
    // A sum that only a fused operator knows (no value of the model) ends behind that operator.
    if (last && (postNorm || !step.y.value)) {
      const norm = normAfter(step.y, findings);
      const norms = norm && postNorm ? [norm] : [];
      if (norm) return { step, norms, exit: norm.to, glue: norm.ops, asMlp };
    }
    if (next && link?.kind === "norm") {
      return { step, norms: link.norms, exit: next.x, glue: link.ops, asMlp };
    }
    // Between blocks it belongs to none of the two.
    const turned = link?.kind === "turned" && !heads.includes(ahead!);
    if (next && (turned || (link?.kind === "moved" && keepsOrder(link.ops)))) {
      return { step, norms: [], exit: next.x, glue: link.ops, asMlp };
    }
    const [reader, ...more] = step.y.uses;
    const shaped = reader?.outputs[0];
    if (
      !next &&
      reader?.type === "Reshape" &&
      more.length === 0 &&
      sameRank(shaped!, chain[0]!.step.x)
    ) {
      if (!sameRank(step.y, shaped!))
        return { step, norms: [], exit: shaped!, glue: [reader], asMlp };
    }
    return { step, norms: [], exit: step.y, glue: [], asMlp };
  });
}

function sameRank(a: Wire, b: Wire): boolean {
  return a.value?.type?.shape?.length === b.value?.type?.shape?.length;
}

/** A norm between some blocks and not between others ends a stack: what follows begins anew. */
function splitAtNorms(drafts: readonly BlockDraft[], groups: readonly Item[][]): StackDraft[] {
  const between = groups.slice(1).map((group) => group[0]!.link?.kind === "norm");
  const inside = groups.some((group) => group.slice(1).some(({ link }) => link?.kind === "norm"));
  if (inside || between.every((norm) => norm)) return [{ blocks: drafts }];
  const stacks: BlockDraft[][] = [[]];
  drafts.forEach((draft, i) => {
    const sum = draft.steps.at(-1)!;
    const trimmed: BlockDraft = {
      ...draft,
      steps: [...draft.steps.slice(0, -1), { ...sum, norms: [], exit: sum.step.y, glue: [] }],
      output: sum.step.y,
    };
    stacks.at(-1)!.push(between[i] ? trimmed : draft);
    if (between[i]) stacks.push([]);
  });
  return stacks.filter((blocks) => blocks.length > 0).map((blocks) => ({ blocks }));
}
