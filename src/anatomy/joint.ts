/** Blocks of two streams: which one is the block's own, and which steps of the other belong to it. */
import type { Findings } from "./branch.ts";
import type { Chain } from "./chains.ts";
import { type BlockDraft, type StackDraft, type StepDraft, stepDrafts } from "./drafts.ts";
import type { Flow, Op, Wire } from "./flow.ts";
import { type Draft, type Placed, placeOf } from "./placed.ts";
import { regionBetween } from "./region.ts";

type Row = Chain<Placed>;

/** Rows that are the second stream of another row. */
export function secondChains(chains: readonly Row[], flow: Flow): ReadonlySet<Row> {
  const rowOf = new Map<Draft, Row>();
  for (const chain of chains) {
    for (const draft of chain.flatMap(({ step }) => step.drafts)) rowOf.set(draft, chain);
  }
  const seconds = new Set<Row>();
  for (const [draft, row] of rowOf) {
    const other = draft.partner && rowOf.get(draft.partner);
    if (!other || other === row || seconds.has(row) || seconds.has(other)) continue;
    seconds.add(isMain(row, other, flow) ? other : row);
  }
  return seconds;
}

/** The main stream is the one that goes on, that the output is cut from, or that has more tokens. */
function isMain(a: Row, b: Row, flow: Flow): boolean {
  const [x, y] = [a.at(-1)!.step, b.at(-1)!.step];
  const [fromX, fromY] = [reachOf(x.y, flow), reachOf(y.y, flow)];
  if (fromX.has(y.add) !== fromY.has(x.add)) return fromY.has(x.add);
  const cut = cutAfterJoin([x.y, fromX], [y.y, fromY], flow);
  if (cut) return cut === x.y;
  if (a.length !== b.length) return a.length > b.length;
  const [m, n] = [tokensOf(x.y), tokensOf(y.y)];
  if (typeof m === "number" && typeof n === "number" && m !== n) return m > n;
  return x.add.id > y.add.id;
}

function tokensOf(wire: Wire) {
  return wire.value?.type?.shape?.at(-2);
}

type Reach = readonly [Wire, ReadonlySet<Op>];

/** Of two streams that are joined along tokens, the one that is cut out again at the end. */
function cutAfterJoin([a, fromA]: Reach, [b, fromB]: Reach, flow: Flow): Wire | null {
  const join = flow.ops.find((op) => op.type === "Concat" && fromA.has(op) && fromB.has(op));
  if (!join) return fromA.size === 0 ? b : fromB.size === 0 ? a : null;
  const cut = flow.ops.findLast((op) => op.type === "Slice" && fromA.has(op) && fromB.has(op));
  const size = cut?.outputs[0] && tokensOf(cut.outputs[0]);
  const fits = [a, b].filter((end) => tokensOf(end) === size);
  if (fits.length === 1) return fits[0]!;
  const last = join.data.at(-1)!;
  return [a, b].find((end) => end === last || regionBetween(end, last)) ?? null;
}

function reachOf(start: Wire, flow: Flow): Set<Op> {
  const ops = new Set<Op>();
  for (const op of flow.ops) {
    if (op.data.some((wire) => wire === start || (wire.from && ops.has(wire.from)))) ops.add(op);
  }
  return ops;
}

/** Gives each block of the main rows its share of the second ones. */
export function joinSecondStreams(
  stacks: readonly StackDraft[],
  seconds: ReadonlySet<Row>,
  findings: Findings,
): void {
  const blocks = stacks.flatMap((stack) => stack.blocks);
  for (const second of seconds) {
    const steps = stepDrafts(second, findings);
    const starts = startsOf(blocks, steps);
    for (const { at, from, to } of sharesOf(starts, steps, blocks.length)) {
      const share = steps.slice(from, to);
      const output = share.at(-1)!.exit;
      blocks[at]!.second = { input: share[0]!.step.x, output, steps: share };
    }
    const last = starts.length > 0 ? blocks[starts.at(-1)!.at] : undefined;
    const row = stacks.find((stack) => last && stack.blocks.includes(last))?.blocks ?? [];
    const after = last && row[row.indexOf(last) + 1];
    const end = steps.at(-1)!.exit;
    if (after && !after.second && readsStream(after, end)) {
      after.second = { input: end, output: null, steps: [] };
    }
  }
}

interface Start {
  /** The block's place among all. */
  readonly at: number;
  /** The first step that it shares with the second stream. */
  readonly from: number;
}

function startsOf(blocks: readonly BlockDraft[], steps: readonly StepDraft[]): Start[] {
  const places = new Map(steps.flatMap(({ step }, i) => step.drafts.map((draft) => [draft, i])));
  return blocks.flatMap((block, at) => {
    const drafts = block.steps.flatMap(({ step }) => step.drafts);
    const found = drafts.flatMap(({ partner }) => (partner && places.get(partner)) ?? []);
    return found.length > 0 ? { at, from: Math.min(...found) } : [];
  });
}

interface Share extends Start {
  readonly to: number;
}

/**
 * Each block has the steps up to the next one's. Blocks in between that lost their joint attention
 * have the MLPs that are more than a block has.
 */
function sharesOf(starts: readonly Start[], steps: readonly StepDraft[], count: number): Share[] {
  const isMlp = ({ step }: StepDraft) => step.drafts.every((draft) => placeOf(draft) === "mlp");
  const whole = wholeShare(starts);
  const rest = Math.max(whole - 1, 1);
  // MLPs of `from` to `to` for the blocks from `at` on, but for those that are a block's of their own.
  const loose = (at: number, free: number, from: number, to: number): Share[] => {
    const blocks = Math.min(Math.floor((to - from) / rest), free);
    const begin = to - blocks * rest;
    if (blocks < 1 || !steps.slice(begin, to).every(isMlp)) return [];
    return Array.from({ length: blocks }, (_, i) => {
      const start = begin + i * rest;
      return { at: at + i, from: start, to: start + rest };
    });
  };
  const [first] = starts;
  if (!first) return [];
  const ahead = loose(0, first.at, 0, first.from);
  const shift = first.at - ahead.length;
  const leading = ahead.map((share) => ({ ...share, at: share.at + shift }));
  const others = starts.flatMap(({ at, from }, i) => {
    const next = starts[i + 1];
    const end = next?.from ?? steps.length;
    const behind = loose(at + 1, (next?.at ?? count) - at - 1, from + whole, end);
    return [{ at, from, to: behind[0]?.from ?? end }, ...behind];
  });
  return [...leading, ...others];
}

/** How many steps of the second stream most blocks have: a joint attention, and an MLP. */
function wholeShare(starts: readonly Start[]): number {
  const sizes = starts.flatMap(({ at, from }, i) => {
    const next = starts[i + 1];
    return next?.at === at + 1 ? next.from - from : [];
  });
  const often = (size: number) => sizes.filter((other) => other === size).length;
  return sizes.sort((a, b) => often(b) - often(a) || a - b)[0] ?? 2;
}

/** Whether an attention of the block reads another stream's end beside its own. */
function readsStream(block: BlockDraft, end: Wire): boolean {
  return block.steps.some(({ step }) =>
    step.drafts.some(({ core, sort }) => core && sort === "attn" && regionBetween(end, core.k)),
  );
}
