/** Named stacks of blocks with their parts and all nodes they own. */
import type { Node, Value } from "../ir/graph.ts";
import type { Dim } from "../ir/types.ts";
import type { Block, Part, Stack } from "./anatomy.ts";
import type { Findings } from "./branch.ts";
import type { BlockDraft, Drafts, StackDraft, StepDraft } from "./drafts.ts";
import type { Flow, Op, Wire } from "./flow.ts";
import { gridOf } from "./grid.ts";
import { scopeOfPart, scopesOfBlocks, stackNames } from "./naming.ts";
import { ownersOf } from "./ownership.ts";
import { type PartDraft, type PartsOfBlock, partsOf } from "./parts.ts";
import { regionBetween } from "./region.ts";

export function buildStacks(flow: Flow, drafts: Drafts, findings: Findings): Stack[] {
  const inside = new Map<BlockDraft, PartsOfBlock>();
  for (const block of drafts.stacks.flatMap((stack) => stack.blocks)) {
    inside.set(block, partsOf(block, findings));
  }
  const nodes = nodesOf(flow, drafts, inside, findings);
  const ordered = [...drafts.stacks];
  const scopes = ordered.map((stack) =>
    scopesOfBlocks(stack.blocks.map((block) => projectionsOf(block, findings))),
  );
  const names = stackNames(scopes);
  return ordered.map((stack, i) => {
    const blocks = stack.blocks.map((draft, index): Block => {
      const { parts, style } = inside.get(draft)!;
      const scope = scopes[i]![index]!;
      const label = `${names[i]}.${index}`;
      const built = parts.map((part): Part => {
        const projections = linearNodes(part.ops, findings);
        return {
          name: part.name,
          scope: scopeOfPart(part.name, projections, { scope, label }),
          nodes: nodes.parts.get(part)!,
          x: modelValue(part.x),
          context: part.context && modelValue(part.context),
          outputs: part.outputs.map(modelValue),
          host: part.host,
        };
      });
      return {
        index,
        scope,
        input: modelValue(draft.input),
        output: modelValue(draft.output),
        context: draft.second && {
          input: modelValue(draft.second.input),
          output: draft.second.output && modelValue(draft.second.output),
        },
        parts: new Map(built.map((part) => [part.name, part])),
        nodes: nodes.blocks.get(draft)!,
        style,
      };
    });
    return { name: names[i]!, ...measuresOf(stack, blocks, flow, findings), blocks };
  });
}

function modelValue(wire: Wire): Value {
  if (!wire.value) throw new Error("a part ends inside of a fused operator");
  return wire.value;
}

function linearNodes(ops: readonly Op[], { linears, coreOf }: Findings): Node[] {
  const weighted = ops.filter((op) => linears.byOp.has(op) || coreOf.has(op));
  const own = weighted.filter((op) => linears.byOp.get(op)?.op === op);
  return (own.length > 0 ? own : weighted).map((op) => op.node);
}

function projectionsOf(block: BlockDraft, findings: Findings): Node[] {
  return block.steps.flatMap(({ step }) =>
    step.drafts.flatMap(({ branch }) => linearNodes(branch.ops, findings)),
  );
}

function measuresOf(
  stack: StackDraft,
  blocks: readonly Block[],
  flow: Flow,
  findings: Findings,
): Pick<Stack, "width" | "tokens" | "heads" | "grid"> {
  const [first] = stack.blocks;
  const shape = first!.input.value?.type?.shape ?? first!.output.value?.type?.shape ?? null;
  const last = shape?.at(-1);
  const map = first!.steps.flatMap(({ step }) => step.drafts.flatMap((d) => d.branch.linears))[0];
  const heads = blocks
    .flatMap((block) => [...block.parts.values()])
    .flatMap(({ host }) => (host.kind === "attention" ? [host.heads] : []));
  return {
    width: typeof last === "number" ? last : (map?.in ?? 0),
    tokens: tokensOf(shape),
    heads: commonest(heads),
    grid: gridOf(first!.input, tokensOf(shape), flow, findings),
  };
}

function tokensOf(shape: readonly Dim[] | null): Dim {
  if (!shape || shape.length < 2) return null;
  if (shape.length === 4) {
    const [rows, columns] = [shape[1], shape[2]];
    return typeof rows === "number" && typeof columns === "number" ? rows * columns : null;
  }
  return shape.length === 3 ? shape[1]! : null;
}

function commonest(numbers: readonly number[]): number | null {
  const counts = new Map<number, number>();
  for (const n of numbers) counts.set(n, (counts.get(n) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1])[0]?.[0] ?? null;
}

interface Nodes {
  readonly blocks: ReadonlyMap<BlockDraft, ReadonlySet<Node>>;
  readonly parts: ReadonlyMap<PartDraft, ReadonlySet<Node>>;
}

function nodesOf(
  flow: Flow,
  drafts: Drafts,
  inside: ReadonlyMap<BlockDraft, PartsOfBlock>,
  findings: Findings,
): Nodes {
  const onWay = new Map<Op, BlockDraft>();
  const inParts = new Map<Op, PartDraft>();
  const barriers = new Set<Wire>();
  for (const stack of drafts.stacks) {
    for (const block of stack.blocks) {
      for (const op of wayOf(block)) if (!onWay.has(op)) onWay.set(op, block);
      const entries = [block.input, block.second?.input, ...(block.lead?.skips ?? [])];
      for (const wire of entries) if (wire) barriers.add(wire);
      for (const part of inside.get(block)!.parts) {
        for (const op of part.ops) inParts.set(op, part);
        if (part.context) barriers.add(part.context);
      }
    }
  }
  const edges = new Set(barriers);
  for (const { parts } of inside.values()) for (const part of parts) edges.add(part.x);
  for (const wire of soleConditioning(drafts, onWay, findings)) barriers.add(wire);
  const blocks = ownersOf(flow, onWay, barriers);
  const parts = ownersOf(flow, inParts, edges);
  const empty = [...inside].flatMap(([block, { parts: list }]) => [block, ...list]);
  const sets = new Map<BlockDraft | PartDraft, Set<Node>>(empty.map((owner) => [owner, new Set()]));
  // A fused operator belongs where its first operation does, the residual sum it begins with.
  for (const node of flow.graph.nodes) {
    const [first] = flow.opsOf(node);
    const block = first && blocks.get(first);
    if (block) sets.get(block)!.add(node);
    for (const op of flow.opsOf(node)) {
      const part = parts.get(op);
      if (part) sets.get(part)!.add(node);
    }
  }
  return {
    blocks: sets as Map<BlockDraft, Set<Node>>,
    parts: sets as unknown as Map<PartDraft, Set<Node>>,
  };
}

/** All operations between a block's entries and exits. */
function wayOf({ steps, second, lead }: BlockDraft): Op[] {
  const ofSteps = (list: readonly StepDraft[]) =>
    list.flatMap(({ step, norms }) => [
      ...step.regions.flatMap((region) => region.ops),
      ...sumsOf(step.terms, step.add),
      ...norms.flatMap((norm) => norm.ops),
    ]);
  const reading = second?.steps.length === 0 ? readsOf(steps, second.input) : [];
  return [...(lead?.ops ?? []), ...ofSteps(steps), ...ofSteps(second?.steps ?? []), ...reading];
}

/** The sums between the ends of branches and the last one. */
function sumsOf(terms: readonly Wire[], add: Op): Op[] {
  return [add, ...terms.flatMap((term) => regionBetween(term, add.outputs[0]!)?.ops ?? [])];
}

function readsOf(steps: readonly StepDraft[], end: Wire): Op[] {
  return steps.flatMap(({ step }) =>
    step.drafts.flatMap(({ core }) => {
      const wires = core ? [core.q, core.k, core.v] : [];
      return wires.flatMap((wire) => regionBetween(end, wire)?.ops ?? []);
    }),
  );
}

/**
 * With a single block nothing is shared, so that all conditioning would seem to be the block's own:
 * there only what follows the last projection is.
 */
function soleConditioning(
  drafts: Drafts,
  onWay: ReadonlyMap<Op, BlockDraft>,
  { linears }: Findings,
): Wire[] {
  if (drafts.stacks.some((stack) => stack.blocks.length > 1)) return [];
  return [...linears.byOutput.values()].flatMap((map) => (onWay.has(map.op) ? [] : [map.x]));
}
