/** Steps with their branches judged: which mixes tokens, which attends elsewhere, which is an MLP. */

import type { Dim } from "../ir/types.ts";
import { type Branch, branchesOf, choosesExperts, type Findings } from "./branch.ts";
import type { Constants } from "./constants.ts";
import type { Core } from "./cores.ts";
import type { Op, Wire } from "./flow.ts";
import { graftedBranch } from "./grafted.ts";
import { carry, identityLayout, isLayoutOp } from "./layout.ts";
import { mixingOf } from "./mixing.ts";
import { type Region, regionBetween } from "./region.ts";
import type { Step } from "./residual.ts";
import { keepsState } from "./state.ts";

/**
 * `attn`: attention within the stream; `cross`: attention to another value; `mlp`: tokens apart;
 * `mixer`: tokens meet without softmax, or that cannot be excluded: its place decides what it is.
 */
export type Sort = "attn" | "cross" | "mlp" | "mixer";

export interface Draft {
  sort: Sort;
  readonly branch: Branch;
  /** The one attention in it; null where there is none, or several. */
  readonly core: Core | null;
  /** What it stands for by the metadata of the edit that placed its operator. */
  readonly as: "attn" | "cross" | "mlp" | null;
  /** The same part's branch in the second stream. */
  partner: Draft | null;
  /** Where the tokens of both streams stand in one value, if all projections read that. */
  joined: Wire | null;
}

export interface Placed extends Step {
  readonly drafts: readonly Draft[];
}

export function placeSteps(steps: readonly Step[], findings: Findings): Placed[] {
  const placed = steps.flatMap((step): Placed[] => {
    const drafts = step.regions
      .flatMap((region) => branchesOf(region, findings))
      .map((branch) => draftOf(branch, findings));
    return drafts.length > 0 ? [{ ...step, drafts: drafts.sort(attentionFirst) }] : [];
  });
  pairStreams(placed);
  for (const draft of placed.flatMap((step) => step.drafts)) joinTokens(draft, findings);
  return placed;
}

/** Of branches side by side: attentions, then what else mixes tokens, then MLPs. */
const order: readonly Sort[] = ["attn", "cross", "mixer", "mlp"];

function attentionFirst(a: Draft, b: Draft): number {
  return order.indexOf(placeOf(a)) - order.indexOf(placeOf(b));
}

/** What a branch stands for in its block, as far as it tells by itself. */
export function placeOf({ sort, as, branch }: Draft): Sort {
  return as ?? (sort === "mixer" && choosesExperts(branch.ops) ? "mlp" : sort);
}

function draftOf(branch: Branch, { linears, constants }: Findings): Draft {
  const as = branch.ops.map(({ place }) => graftedBranch(place)).find((kind) => kind) ?? null;
  const [core, ...more] = branch.cores;
  if (core) {
    const own = [core.k, core.v].some(
      (wire) => wire === branch.x || (wire.from && branch.has.has(wire.from)),
    );
    const single = more.length === 0 ? core : null;
    return { sort: own ? "attn" : "cross", branch, core: single, as, partner: null, joined: null };
  }
  const mixing = mixingOf(branch.x, branch.ops, linears, constants);
  // A state holds what earlier tokens left: they meet those of this call, of which one may be all.
  const apart = mixing === "features" && !keepsState(branch);
  const sort = apart ? "mlp" : "mixer";
  return { sort, branch, core: null, as, partner: null, joined: null };
}

/**
 * Branches of two streams that share an attention, or projections, are one part of a joint block.
 * Those of one sum are of one stream, whatever they share.
 */
function pairStreams(steps: readonly Placed[]): void {
  const seen = new Map<Op, Draft>();
  for (const [step, draft] of steps.flatMap((s) => s.drafts.map((d) => [s, d] as const))) {
    const { cores, linears } = draft.branch;
    for (const op of [...cores.map((core) => core.op), ...linears.map((map) => map.op)]) {
      const other = seen.get(op);
      if (other && !step.drafts.includes(other) && !other.partner && !draft.partner) {
        other.partner = draft;
        draft.partner = other;
      }
      seen.set(op, draft);
    }
  }
}

/** Joining two streams along tokens, and cutting them apart again, is no mixing by itself. */
function joinTokens(draft: Draft, { linears, constants }: Findings): void {
  const { branch, partner } = draft;
  if (!partner && draft.sort !== "mixer") return;
  const join = branch.ops.find(
    (op) => op.type === "Concat" && (partner ? partner.branch.has.has(op) : op.data.length > 1),
  );
  const y = join?.outputs[0];
  if (!y || branch.linears.length === 0) return;
  if (branch.linears.some((map) => !regionBetween(y, map.y))) return;
  draft.joined = y;
  if (draft.sort !== "mixer") return;
  const last = branch.linears.at(-1)?.ops.at(-1);
  const ops = branch.ops.filter((op) => op.id > join.id && last && op.id <= last.id);
  if (mixingOf(y, ops, linears, constants) === "features") draft.sort = "mlp";
}

/** Two streams run through one MLP: between joining their tokens and cutting them apart again. */
export function sharedPath({ branch, partner, joined }: Draft): { x: Wire; y: Wire } | null {
  const y = branch.linears.at(-1)?.y;
  if (!joined || !partner || !y) return null;
  const cuts = [branch.y, partner.branch.y].map((end) => regionBetween(y, end));
  const apart = cuts.every((cut) => cut?.ops.every(({ type }) => /^(Slice|Split)$/.test(type)));
  return apart ? { x: joined, y } : null;
}

/**
 * Whether a step's stream has its features on the last axis, [B, N, D]. Convolutional streams
 * [B, C, H, W] are read by a convolution, or by a norm of channels, before any transpose.
 */
export function isTokenStream(step: Placed, { linears, constants }: Findings): boolean {
  const shape = step.y.value?.type?.shape;
  if (shape && (shape.length < 2 || shape.length > 4)) return false;
  return step.regions.every((region) => {
    const [moved, reshaped] = [new Set<Op>(), new Set<Op>()];
    for (const op of region.ops) {
      const map = linears.byOp.get(op);
      if (map && map.featureAxis === -1) return true;
      if (op.type === "MatMul") return true;
      const behind = (ops: ReadonlySet<Op>) =>
        op.data.some((wire) => wire.from && ops.has(wire.from));
      const after = behind(moved) || behind(reshaped);
      if (op.type === "Transpose" || behind(moved)) moved.add(op);
      // A norm of groups reshapes the stream, and back again.
      else if ((op.type === "Reshape" && !isShaped(op, shape)) || (after && op.type !== "Reshape"))
        reshaped.add(op);
      const channels =
        /^(Conv|ConvTranspose|GroupNormalization|GroupNorm|InstanceNormalization|BatchNormalization)$/;
      if (channels.test(op.type) && !after) return false;
    }
    return (shape?.length ?? 3) < 4 || hasFeaturesLast(region, constants);
  });
}

/** Whether the channels of a branch's first convolution are the stream's last axis. */
function hasFeaturesLast({ from, ops }: Region, constants: Constants): boolean {
  const start = identityLayout(from);
  const known = new Map(start ? [[from, start]] : []);
  const shapeOf = (wire: Wire) => wire.value?.type?.shape?.join();
  for (const op of ops) {
    const x = op.data.find((wire) => known.has(wire));
    const layout = x && known.get(x);
    if (!layout) continue;
    if (op.type === "Conv") {
      return layout.axes[1]!.some(({ axis }) => axis === start!.axes.length - 1);
    }
    for (const wire of op.outputs) {
      const same = wire && shapeOf(wire) === shapeOf(x) ? layout : null;
      const next = wire && isLayoutOp(op) ? carry(layout, op, wire, constants) : same;
      if (wire && next) known.set(wire, next);
    }
  }
  return false;
}

function isShaped({ outputs }: Op, shape: readonly Dim[] | null | undefined): boolean {
  const own = outputs[0]?.value?.type?.shape;
  return own?.length === shape?.length && own!.every((dim, i) => dim === shape![i]);
}
