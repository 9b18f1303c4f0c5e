/** What lies outside of blocks: known places (embeddings, conditioning, heads), and the rest. */
import type { Node } from "../ir/graph.ts";
import type { Stack } from "./anatomy.ts";
import type { Findings } from "./branch.ts";
import type { Drafts, Refusal } from "./drafts.ts";
import type { Flow, Op } from "./flow.ts";
import type { LinearMap } from "./linears.ts";
import { isPointwise } from "./mixing.ts";
import { regionBetween } from "./region.ts";
import { valuesAfter } from "./scores.ts";
import { shapeOf } from "./weights.ts";

export function outsideOf(
  flow: Flow,
  stacks: readonly Stack[],
  drafts: Drafts,
  findings: Findings,
): { unplaced: Node[]; remarks: string[] } {
  const inside = new Set(
    stacks.flatMap((stack) => stack.blocks.flatMap((block) => [...block.nodes])),
  );
  const refused = new Set(
    drafts.refused.flatMap(({ steps }) =>
      steps.flatMap((step) => step.regions.flatMap((region) => region.ops)),
    ),
  );
  const unplaced = new Set<Node>();
  const middle = between(flow, inside);
  for (const op of flow.ops) {
    if (inside.has(op.place) || !holdsWeights(op, findings)) continue;
    if (stacks.length === 0 || (refused.has(op) && middle.has(op))) unplaced.add(op.place);
  }
  const remarks = drafts.refused.map(({ steps, why }) => reasons[why](steps.length));
  const loose = attentionsOf(flow, findings).filter(
    (ops) => !ops.some((op) => inside.has(op.place)),
  );
  if (loose.length > 0 && stacks.length > 0)
    remarks.push(`${counted(loose.length, "attention")} outside of blocks`);
  const mlps = stacks.length > 0 ? looseMlps(flow, stacks, middle, findings) : 0;
  if (mlps > 0) remarks.push(`${counted(mlps, "MLP")} in no part of a block`);
  if (stacks.length === 0) remarks.unshift("no residual blocks in which tokens [B, N, D] meet");
  return { unplaced: [...unplaced], remarks };
}

/** Also those whose queries no input reaches: the first of learned queries, where the batch is fixed. */
function attentionsOf(flow: Flow, { cores, coreOf }: Findings): (readonly Op[])[] {
  const others = flow.ops.filter(
    (op) => op.type === "Softmax" && op.data.length > 0 && !coreOf.has(op) && valuesAfter(op),
  );
  return [...cores.map(({ ops }) => ops), ...others.map((op) => [op])];
}

/**
 * Two projections between blocks, from the width of a stream and back with nothing but a nonlinearity
 * in the middle, that are in no part, nor in a block that has refused some.
 */
function looseMlps(
  { graph, opsOf }: Flow,
  stacks: readonly Stack[],
  middle: ReadonlySet<Op>,
  { linears }: Findings,
): number {
  const placed = new Set(
    stacks.flatMap(({ blocks }) =>
      blocks.flatMap(({ nodes, parts, refused }) =>
        refused.size > 0 ? [...nodes] : [...parts.values()].flatMap((part) => [...part.nodes]),
      ),
    ),
  );
  const maps = new Set(graph.nodes.flatMap(opsOf).flatMap((op) => linears.byOp.get(op) ?? []));
  const loose = [...maps].filter(({ op }) => middle.has(op) && !placed.has(op.place));
  const widths = new Set(stacks.map(({ width }) => width));
  return loose.filter((fc2) => {
    if (!widths.has(fc2.out)) return false;
    return loose.some((fc1) => fc1 !== fc2 && fc1.in === fc2.out && isMlp(fc1, fc2));
  }).length;
}

function isMlp(fc1: LinearMap, fc2: LinearMap): boolean {
  const between = fc1.out >= fc1.in ? regionBetween(fc1.y, fc2.x) : null;
  return between?.ops.every((op) => isPointwise(op) && op.data.length > 0) ?? false;
}

/** Operations that depend on some block and that some block depends on. */
function between(flow: Flow, inside: ReadonlySet<Node>): Set<Op> {
  const after = new Set<Op>();
  for (const op of flow.ops) {
    const reached = op.data.some(
      (wire) => wire.from && (after.has(wire.from) || inside.has(wire.from.place)),
    );
    if (reached) after.add(op);
  }
  const before = new Set<Op>();
  for (const op of [...flow.ops].reverse()) {
    const readers = op.outputs.flatMap((wire) => wire?.uses ?? []);
    if (readers.some((reader) => before.has(reader) || inside.has(reader.place))) before.add(op);
  }
  return new Set([...after].filter((op) => before.has(op)));
}

const reasons: Readonly<Record<Refusal, (count: number) => string>> = {
  convolutional: (count) =>
    `${counted(count, "residual branch", "es")} on feature maps [B, C, H, W], which are no token streams`,
  "no-mixing": (count) =>
    `${counted(count, "residual branch", "es")} outside of blocks, in which tokens do not meet`,
  lead: (count) => `${counted(count, "residual branch", "es")} before the first block`,
  fused: (count) =>
    `${counted(count, "residual branch", "es")} of blocks that end inside of fused operators`,
};

function counted(count: number, what: string, plural = "s"): string {
  return `${count} ${what}${count === 1 ? "" : plural}`;
}

/** Reads a constant matrix: a projection, a convolution, a table that is looked up. */
function holdsWeights(op: Op, { constants }: Findings): boolean {
  if (op.data.length === 0) return false;
  return op.inputs.some((wire) => {
    if (!wire?.constant) return false;
    const shape = shapeOf(wire, constants);
    return (shape?.filter((dim) => dim > 1).length ?? 0) >= 2;
  });
}
