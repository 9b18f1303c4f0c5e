/** From an attention's core to the end of its branch. */
import type { Branch, Findings } from "./branch.ts";
import type { Core } from "./cores.ts";
import { type Digit, regroup } from "./digits.ts";
import type { Op, Wire } from "./flow.ts";
import { carry, isLayoutOp, type Layout, layoutOfShape } from "./layout.ts";
import type { LinearMap } from "./linears.ts";
import { mixingOf } from "./mixing.ts";
import { type Region, regionBetween, segmentsOf } from "./region.ts";
import { shifts } from "./tokens.ts";

export interface Output {
  readonly map: LinearMap | null;
  readonly holdsMlp: boolean;
  readonly odd: string | null;
}

const besideHeads = "other features stand beside those of its heads";

/** From the core to the branch's end: merge heads, one projection. */
export function outputOf(branch: Branch, core: Core, headDim: number, findings: Findings): Output {
  const { constants, linears } = findings;
  const none = { map: null, holdsMlp: false };
  const region = core.y === branch.y ? null : regionBetween(core.y, branch.y);
  const maps = new Set(region?.ops.flatMap((op) => linears.byOp.get(op) ?? []));
  const [map, ...more] = maps;
  if (!map) return { ...none, odd: "it has no output projection" };
  if (more.length > 0) return { ...none, odd: "several projections follow its heads" };
  const mixed = regionBetween(core.y, map.x);
  const segments = mixed ? segmentsOf(mixed) : [];
  const join = mixed?.ops.find((op) => op.type === "Concat" && joinsFeatures(op, branch));
  if (join) {
    const own = new Set(mixed!.ops);
    const beside = join.data.filter(
      (wire) => wire !== core.y && !(wire.from && own.has(wire.from)),
    );
    if (beside.some((wire) => meetsTokens(wire, branch, findings))) {
      return { map, holdsMlp: false, odd: besideHeads };
    }
    return { ...none, holdsMlp: true, odd: "attention and MLP share one output projection" };
  }
  let layout = core.y.value?.type?.shape ? layoutOfShape(core.y.value.type.shape) : null;
  const rank = layout?.axes.length ?? 0;
  for (const { ops, to } of segments) {
    if (ops.length > 1) return { map, holdsMlp: false, odd: "its output is gated or normed" };
    if (layout && joinsHeads(ops[0]!, layout, rank - 3)) {
      return { map, holdsMlp: false, odd: besideHeads };
    }
    const next =
      layout && (carry(layout, ops[0]!, to, constants) ?? merged(layout, ops[0]!, to, map));
    if (!next) return { map, holdsMlp: false, odd: `its output goes through ${ops[0]!.type}` };
    layout = next;
  }
  const several = map.axesRead > 1 ? layout?.axes.slice(-map.axesRead).flat() : null;
  const features = several ?? layout?.axes.at(map.featureAxis) ?? [];
  const inner = features.at(-1);
  const axis = rank + core.features;
  const apart = rank < 4 && core.features === -1;
  const whole = (inner?.axis === axis && inner.size === headDim) || headDim === 1;
  const natural = apart || (whole && isAscending(features));
  if (!natural) return { map, holdsMlp: false, odd: "its heads are merged in another order" };
  const behind = map.y === branch.y ? null : regionBetween(map.y, branch.y);
  if (behind?.ops.some((op) => addsMlp(op, behind, branch, findings))) {
    return { ...none, holdsMlp: true, odd: "an MLP is added to it before they meet the stream" };
  }
  const changed = behind?.ops.find((op) => !isLayoutOp(op) && !shifts.has(op.type));
  return { map, holdsMlp: false, odd: changed ? `its output goes through ${changed.type}` : null };
}

/** Whether a sum behind the output projection takes in what at least two projections made of the input. */
function addsMlp(op: Op, behind: Region, branch: Branch, { linears }: Findings): boolean {
  if (op.type !== "Add") return false;
  const beside = op.data.filter((wire) => wire !== behind.from && !behind.has.has(wire.from!));
  return beside.some((wire) => {
    const ops = regionBetween(branch.x, wire)?.ops ?? [];
    return new Set(ops.flatMap((each) => linears.byOp.get(each) ?? [])).size > 1;
  });
}

/** A Reshape to what the projection takes, where its own type leaves that open. */
function merged(layout: Layout, op: Op, to: Wire, map: LinearMap): Layout | null {
  const shape = to.value?.type?.shape;
  if (op.type !== "Reshape" || to !== map.x || map.featureAxis !== -1 || !shape) return null;
  if (shape.at(-1) !== null) return null;
  const axes = regroup(layout.axes.flat(), [...shape.slice(0, -1), map.in]);
  return axes && { ...layout, axes };
}

/** Digits of several axes, slowest first, in the order in which those axes lie. */
function isAscending(digits: readonly Digit[]): boolean {
  return digits.every((digit, i) => {
    const before = digits[i - 1];
    return (
      !before || before.axis < digit.axis || (before.axis === digit.axis && slower(before, digit))
    );
  });
}

function slower({ stride: a }: Digit, { stride: b }: Digit): boolean {
  return typeof a !== "number" || typeof b !== "number" || a > b;
}

/** Whether a Concat makes more heads of what comes from elsewhere: a convolution's channels. */
function joinsHeads(op: Op, { axes }: Layout, heads: number): boolean {
  const digits = axes.at(op.node.int("axis") ?? 0) ?? [];
  return op.type === "Concat" && heads > 0 && digits.some(({ axis }) => axis === heads);
}

/** Whether tokens meet on the way from the branch's start: no MLP. */
function meetsTokens(wire: Wire, { x }: Branch, { linears, constants }: Findings): boolean {
  const ops = regionBetween(x, wire)?.ops ?? [];
  return mixingOf(x, ops, linears, constants) === "tokens";
}

/** Whether a Concat puts other features of the same branch beside those of the heads. */
function joinsFeatures(op: Op, branch: Branch): boolean {
  const rank = op.outputs[0]?.value?.type?.shape?.length;
  const axis = op.node.int("axis") ?? 0;
  const last = axis === -1 || (rank !== undefined && axis === rank - 1);
  return last && op.data.filter((wire) => wire.from && branch.has.has(wire.from)).length > 1;
}
