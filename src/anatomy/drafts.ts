/** Blocks as rows of steps, before they get names: boundaries, post-norms, the second stream. */
import type { Findings } from "./branch.ts";
import { type Chain, chainsOf, type Link } from "./chains.ts";
import type { Flow, Op, Wire } from "./flow.ts";
import { groupsOf, type Item, lettersOf } from "./grouping.ts";
import { matchNorm, type NormMatch } from "./norms.ts";
import { isTokenStream, type Placed } from "./placed.ts";
import { regionBetween, segmentsOf } from "./region.ts";

export interface StepDraft {
  readonly step: Placed;
  /** Norms between the sum and the next step, where blocks norm behind the sum. */
  readonly norms: readonly NormMatch[];
  /** The stream behind those norms. */
  readonly exit: Wire;
  /** An unknown mixer in the place of the block's MLP. */
  readonly asMlp: boolean;
}

export interface BlockDraft {
  readonly steps: readonly StepDraft[];
  readonly input: Wire;
  readonly output: Wire;
  /** What brings an earlier point of the stream in at the block's start (U-ViT). */
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

export type Refusal = "convolutional" | "no-mixing";

export function draftStacks(flow: Flow, placed: readonly Placed[], findings: Findings): Drafts {
  const tokens = placed.filter((step) => isTokenStream(step, findings));
  const convolutional = placed.filter((step) => !tokens.includes(step));
  const chains = chainsOf(flow, tokens, findings);
  const seconds = secondChains(chains, flow);
  const refused: Drafts["refused"][number][] = [];
  if (convolutional.length > 0) refused.push({ steps: convolutional, why: "convolutional" });
  const stacks: StackDraft[] = [];
  for (const chain of chains) {
    if (seconds.has(chain)) continue;
    if (!mixes(chain)) {
      refused.push({ steps: chain.map(({ step }) => step), why: "no-mixing" });
      continue;
    }
    stacks.push(...stacksOf(chain, findings));
  }
  for (const [second, main] of seconds) joinStreams(stacks, second, main, findings);
  return { stacks, refused };
}

/** A stack attends somewhere; or it repeats an unknown mixer. */
function mixes(chain: Chain<Placed>): boolean {
  const sorts = chain.flatMap(({ step }) => step.drafts.map((draft) => draft.sort));
  const mixers = sorts.filter((sort) => sort === "mixer").length;
  return sorts.some((sort) => sort === "attn" || sort === "cross") || mixers > 1;
}

function stacksOf(chain: Chain<Placed>, findings: Findings): StackDraft[] {
  const letters = lettersOf(chain);
  const groups = groupsOf(chain, letters);
  const indexOf = new Map(chain.map((item, i) => [item, i]));
  const postNorm = chain.filter(({ link }) => link?.kind === "norm").length * 2 > chain.length - 1;
  const drafts = groups.map((group): BlockDraft => {
    const steps = group.map((item): StepDraft => {
      const i = indexOf.get(item)!;
      const next = chain[i + 1]?.link;
      const norms =
        next?.kind === "norm"
          ? next.norms
          : postNorm && !chain[i + 1]
            ? normsAfter(item.step.y, findings)
            : [];
      return {
        step: item.step,
        norms,
        exit: norms.at(-1)?.to ?? item.step.y,
        asMlp: letters[i] === "M" && item.step.drafts.every((draft) => draft.sort === "mixer"),
      };
    });
    const lead = group[0]!.link?.kind === "skip" ? group[0]!.link : null;
    const before = chain[indexOf.get(group[0]!)! - 1];
    const input = lead && before ? before.step.y : group[0]!.step.x;
    return { steps, input, output: steps.at(-1)!.exit, lead, second: null };
  });
  return splitAtNorms(drafts, groups);
}

/** A norm between some blocks and not between others ends a stack: what follows begins anew. */
function splitAtNorms(drafts: readonly BlockDraft[], groups: readonly Item[][]): StackDraft[] {
  const between = groups.slice(1).map((group) => group[0]!.link?.kind === "norm");
  const inside = groups.some((group) => group.slice(1).some(({ link }) => link?.kind === "norm"));
  if (inside || between.every((norm) => norm)) return [{ blocks: drafts }];
  const stacks: BlockDraft[][] = [[]];
  drafts.forEach((draft, i) => {
    const trimmed = between[i] ? { ...draft, output: draft.steps.at(-1)!.step.y } : draft;
    stacks.at(-1)!.push(trimmed);
    if (between[i]) stacks.push([]);
  });
  return stacks.filter((blocks) => blocks.length > 0).map((blocks) => ({ blocks }));
}

/** The norm that alone reads a sum, where post-norm blocks end. */
function normsAfter(sum: Wire, { constants, linears }: Findings): NormMatch[] {
  const seen = new Set<Op>();
  const open = [...sum.uses];
  const ends: Wire[] = [];
  for (let op = open.shift(); op && seen.size < 48; op = open.shift()) {
    if (seen.has(op)) continue;
    seen.add(op);
    for (const wire of op.outputs) {
      if (!wire) continue;
      const read = wire.uses.some((reader) => linears.byOp.has(reader) || reader.type === "Gather");
      if (read || wire.uses.length === 0) ends.push(wire);
      else open.push(...wire.uses);
    }
  }
  for (const end of ends) {
    const region = regionBetween(sum, end);
    const norm = region && matchNorm(segmentsOf(region), 0, constants);
    if (norm) return [norm];
  }
  return [];
}

/** Rows that are the second stream of another row, with that row. */
function secondChains(
  chains: readonly Chain<Placed>[],
  flow: Flow,
): Map<Chain<Placed>, Chain<Placed>> {
  const chainOf = new Map(
    chains.flatMap((chain) => chain.map(({ step }) => [step, chain] as const)),
  );
  const stepOf = new Map(
    chains.flatMap((chain) =>
      chain.flatMap(({ step }) => step.drafts.map((draft) => [draft, step] as const)),
    ),
  );
  const seconds = new Map<Chain<Placed>, Chain<Placed>>();
  for (const chain of chains) {
    for (const draft of chain.flatMap(({ step }) => step.drafts)) {
      const partner = draft.partner && stepOf.get(draft.partner);
      const other = partner && chainOf.get(partner);
      if (!other || other === chain || seconds.has(chain) || seconds.has(other)) continue;
      if (isMain(chain, other, flow)) seconds.set(other, chain);
      else seconds.set(chain, other);
    }
  }
  return seconds;
}

/** The main stream is the one that goes on, that the output is cut from, or that has more tokens. */
function isMain(a: Chain<Placed>, b: Chain<Placed>, flow: Flow): boolean {
  const [ends, starts] = [
    [a, b].map((chain) => chain.at(-1)!.step),
    [a, b].map((chain) => chain[0]!.step),
  ];
  const [x, y] = ends as [Placed, Placed];
  if (a.length !== b.length) return a.length > b.length;
  const cut = sliceAfterJoin(x.y, y.y, flow);
  if (cut) return cut === x.y;
  const sizes = starts.map((step) => step!.x.value?.type?.shape?.at(-2));
  const [m, n] = sizes;
  if (typeof m === "number" && typeof n === "number" && m !== n) return m > n;
  return x.add.id > y.add.id;
}

/** Of two streams that are joined along tokens, the one that is cut out again at the end. */
function sliceAfterJoin(a: Wire, b: Wire, flow: Flow): Wire | null {
  const reach = (start: Wire) => {
    const ops = new Set<Op>();
    for (const op of flow.ops) {
      if (op.data.some((wire) => wire === start || (wire.from && ops.has(wire.from)))) ops.add(op);
    }
    return ops;
  };
  const [fromA, fromB] = [reach(a), reach(b)];
  const join = flow.ops.find((op) => op.type === "Concat" && fromA.has(op) && fromB.has(op));
  if (!join) return fromA.size === 0 ? b : fromB.size === 0 ? a : null;
  const order = join.data.map((wire) => {
    const [inA, inB] = [a, b].map((end) => wire === end || regionBetween(end, wire) !== null);
    return inA && !inB ? a : inB && !inA ? b : null;
  });
  const cuts = flow.ops.filter((op) => op.type === "Slice" && fromA.has(op) && fromB.has(op));
  const last = cuts.at(-1);
  const size = last?.outputs[0]?.value?.type?.shape?.at(-2);
  const fits = [a, b].filter((end) => end.value?.type?.shape?.at(-2) === size);
  if (fits.length === 1) return fits[0]!;
  return order.at(-1) ?? null;
}

/** Gives each block of the main row its share of the second one. */
function joinStreams(
  stacks: readonly StackDraft[],
  second: Chain<Placed>,
  _main: Chain<Placed>,
  findings: Findings,
): void {
  const indexOf = new Map(second.map((item, i) => [item.step, i]));
  const ownerOf = new Map(
    second.flatMap(({ step }, i) => step.drafts.map((draft) => [draft, i] as const)),
  );
  const letters = lettersOf(second);
  const blocks = stacks.flatMap((stack) => stack.blocks);
  const startOf = (block: BlockDraft) => {
    const partners = block.steps
      .flatMap(({ step }) => step.drafts)
      .flatMap((d) => (d.partner ? [ownerOf.get(d.partner)] : []));
    const known = partners.filter((i) => i !== undefined);
    return known.length > 0 ? Math.min(...known) : null;
  };
  const joined = blocks.flatMap((block) => {
    const start = startOf(block);
    return start === null ? [] : [{ block, start }];
  });
  joined.forEach(({ block, start }, i) => {
    const end = joined[i + 1]?.start ?? second.length;
    const steps = second.slice(start, end).map((item): StepDraft => {
      const at = indexOf.get(item.step)!;
      const next = second[at + 1]?.link;
      const norms = next?.kind === "norm" ? next.norms : [];
      const exit = norms.at(-1)?.to ?? item.step.y;
      return {
        step: item.step,
        norms,
        exit,
        asMlp: letters[at] === "M" && item.step.drafts.every((d) => d.sort === "mixer"),
      };
    });
    const output = steps.at(-1)!.exit;
    block.second = { input: steps[0]!.step.x, output, steps };
  });
  const lastJoined = joined.at(-1)?.block;
  const after = lastJoined && blocks[blocks.indexOf(lastJoined) + 1];
  const end = second.at(-1)!.step.y;
  if (after && !after.second && readsStream(after, end, findings)) {
    after.second = { input: end, output: null, steps: [] };
  }
}

/** Whether the first attention of a block reads another stream's end beside its own. */
function readsStream(block: BlockDraft, end: Wire, _findings: Findings): boolean {
  return block.steps.some(({ step }) =>
    step.drafts.some(({ core, sort }) => core && sort === "attn" && regionBetween(end, core.k)),
  );
}
