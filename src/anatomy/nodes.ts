/** All nodes of blocks and parts: what lies on the way, and what only serves it. */
import type { Node } from "../ir/graph.ts";
import { comesApart } from "../onnx-ops/skip-norms.ts";
import type { Findings } from "./branch.ts";
import type { BlockDraft, StackDraft, StepDraft } from "./drafts.ts";
import type { Flow, Op, Wire } from "./flow.ts";
import { ownersOf } from "./ownership.ts";
import type { PartDraft, PartsOfBlock } from "./parts.ts";
import { regionBetween } from "./region.ts";

export interface OwnNodes {
  readonly blocks: ReadonlyMap<BlockDraft, ReadonlySet<Node>>;
  readonly parts: ReadonlyMap<PartDraft, ReadonlySet<Node>>;
  /** Operators that blocks share with their neighbours, and that come apart. */
  readonly fused: ReadonlyMap<BlockDraft, ReadonlySet<Node>>;
  /** Blocks that share another operator with what follows, and which. */
  readonly shared: ReadonlyMap<BlockDraft, string>;
}

export interface Found {
  readonly flow: Flow;
  readonly stacks: readonly StackDraft[];
  readonly inside: ReadonlyMap<BlockDraft, PartsOfBlock>;
  readonly findings: Findings;
}

export function collectNodes(found: Found): OwnNodes {
  const { flow, inside } = found;
  const onWay = new Map<Op, BlockDraft>();
  const inParts = new Map<Op, PartDraft>();
  const entries = new Set<Wire>();
  const edges = new Set<Wire>();
  for (const [block, { parts }] of inside) {
    const own = [...wayOf(block), ...parts.flatMap((part) => part.ops)];
    for (const op of own) if (!onWay.has(op)) onWay.set(op, block);
    const starts = [block.input, block.second?.input, ...(block.lead?.skips ?? [])];
    for (const wire of starts) if (wire) entries.add(wire);
    for (const part of parts) {
      // Keys that a block has from an earlier one are made there.
      for (const op of part.ops) if (onWay.get(op) === block) inParts.set(op, part);
      if (part.context) entries.add(part.context);
      edges.add(part.x);
    }
  }
  for (const wire of entries) edges.add(wire);
  for (const wire of soleConditioning(found, onWay)) entries.add(wire);
  const blocks = ownersOf(flow, onWay, entries);
  const parts = ownersOf(flow, inParts, edges);
  const ofBlocks = new Map([...inside.keys()].map((block) => [block, new Set<Node>()]));
  const ofParts = new Map(
    [...inside.values()].flatMap((own) => own.parts.map((part) => [part, new Set<Node>()])),
  );
  const fused = new Map([...inside.keys()].map((block) => [block, new Set<Node>()]));
  const shared = new Map<BlockDraft, string>();
  for (const node of flow.graph.nodes) {
    const ops = flow.opsOf(node);
    // A fused operator belongs where it begins: to the residual sum, not to the norm behind it.
    const first = ops.find((op) => onWay.has(op)) ?? ops[0];
    const block = first && blocks.get(first);
    if (block) ofBlocks.get(block)!.add(node);
    const owners = new Set(ops.map((op) => blocks.get(op)));
    if (owners.size > 1 && comesApart(node)) {
      for (const owner of owners) if (owner) fused.get(owner)!.add(node);
    } else if (block && ops.some((op) => blocks.get(op) !== block && isReadElsewhere(op))) {
      shared.set(block, sharedWith(node));
    }
    for (const op of ops) {
      const part = parts.get(op);
      if (part) ofParts.get(part)!.add(node);
    }
  }
  for (const [block, node] of fusedEnds(inside)) {
    if (comesApart(node)) fused.get(block)!.add(node);
    else shared.set(block, sharedWith(node));
  }
  return { blocks: ofBlocks, parts: ofParts, fused, shared };
}

function isReadElsewhere(op: Op): boolean {
  return op.outputs.some((wire) => wire?.uses.some((reader) => reader.place !== op.place));
}

function sharedWith({ opType }: Node): string {
  return `its ${opType} also makes what others read`;
}

/**
 * Blocks of which a stream's last sum is no value of the model, so that it ends behind the norm of the
 * next.
 */
function* fusedEnds(inside: Found["inside"]): Iterable<[BlockDraft, Node]> {
  for (const [block, { style }] of inside) {
    const ends = [block.steps.at(-1), block.second?.steps.at(-1)];
    for (const end of ends) {
      if (!end || end.step.y.value || style === "post-norm") continue;
      yield [block, end.step.add.place];
    }
  }
}

/** All operations between a block's entries and exits. */
function wayOf({ steps, second, lead }: BlockDraft): Op[] {
  const ofSteps = (list: readonly StepDraft[]) =>
    list.flatMap(({ step, glue }) => [
      ...step.regions.flatMap((region) => region.ops),
      ...sumsOf(step.terms, step.add),
      ...glue,
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
function soleConditioning({ stacks, findings }: Found, onWay: ReadonlyMap<Op, BlockDraft>): Wire[] {
  if (stacks.some((stack) => stack.blocks.length > 1)) return [];
  const maps = [...findings.linears.byOutput.values()];
  return maps.flatMap((map) => (onWay.has(map.op) ? [] : [map.x]));
}
