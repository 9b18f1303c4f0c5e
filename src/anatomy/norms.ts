/** Normalisations of the feature axis, one operator or decomposed, as stretches of a branch. */
import type { Value } from "../ir/graph.ts";
import { skipNormEpsilon, skipNorms } from "../onnx-ops/skip-norms.ts";
import type { NormHost } from "./anatomy.ts";
import type { Constants } from "./constants.ts";
import type { Op, Wire } from "./flow.ts";
import type { Segment } from "./region.ts";
import { vectorOf } from "./weights.ts";

export interface NormMatch {
  /** How many segments it takes, its affine part included. */
  readonly length: number;
  readonly host: NormHost;
  readonly ops: readonly Op[];
  readonly from: Wire;
  readonly to: Wire;
}

const normOps = new Map<string, NormHost["norm"]>([
  ["LayerNormalization", "layer_norm"],
  ["RMSNormalization", "rms_norm"],
  ["GroupNormalization", "other"],
  ["GroupNorm", "other"],
  ["InstanceNormalization", "other"],
  ["BatchNormalization", "other"],
  ["LpNormalization", "other"],
]);

/** What mean, variance and their quotient are made of. */
const statistics = new Set([
  "ReduceMean",
  "ReduceSum",
  "ReduceSumSquare",
  "ReduceL2",
  "Sub",
  "Pow",
  "Mul",
  "Add",
  "Sqrt",
  "Reciprocal",
  "Div",
  "Cast",
  "Max",
  "Clip",
  "Abs",
  "Neg",
  "Identity",
  "Expand",
  "Reshape",
  "Unsqueeze",
  "Squeeze",
]);
const reductions = new Set(["ReduceMean", "ReduceSum", "ReduceSumSquare", "ReduceL2"]);

/** The norm that begins with segment `at`, casts before and behind it included. */
export function matchNorm(
  segments: readonly Segment[],
  at: number,
  constants: Constants,
): NormMatch | null {
  const core = matchCore(segments, pastCasts(segments, at), constants);
  if (!core) return null;
  let i = core.next;
  let { weight, bias } = core;
  const width = widthOf(segments[i - 1]!.to);
  const apart = core.byLength && !isFactor(segments[i], constants, Math.sqrt(width ?? 0));
  if (!weight) {
    // x / |x| may be multiplied by sqrt(D) before its weight.
    const factor = isFactor(segments[i], constants) ? 1 : 0;
    const scale = affineOperand(segments[pastCasts(segments, i + factor)], "Mul", width, constants);
    if (scale) {
      weight = scale;
      i = pastCasts(segments, i + factor) + 1;
    }
  }
  if (weight && !bias && core.norm !== "rms_norm") {
    const shift = affineOperand(segments[pastCasts(segments, i)], "Add", width, constants);
    if (shift) {
      bias = shift;
      i = pastCasts(segments, i) + 1;
    }
  }
  if (core.epsilon === null && core.norm === "other" && !weight && !isNormOp(segments[at]))
    return null;
  i = pastCasts(segments, i);
  const taken = segments.slice(at, i);
  return {
    length: i - at,
    host: {
      kind: "norm",
      norm: apart ? "other" : core.norm,
      weight,
      bias,
      epsilon: core.epsilon,
    },
    ops: taken.flatMap((segment) => segment.ops),
    from: taken[0]!.from,
    to: taken.at(-1)!.to,
  };
}

interface CoreMatch {
  readonly next: number;
  readonly norm: NormHost["norm"];
  /** It divides by the length of its start, sqrt(D) times the root of the mean square. */
  readonly byLength?: boolean;
  readonly weight: Value | null;
  readonly bias: Value | null;
  readonly epsilon: number | null;
}

function matchCore(
  segments: readonly Segment[],
  at: number,
  constants: Constants,
): CoreMatch | null {
  const first = segments[at];
  if (!first) return null;
  const op = first.ops[0]!;
  const norm = first.ops.length === 1 ? normOps.get(op.type) : undefined;
  if (norm) return { next: at + 1, norm, ...operandsOf(op) };
  const squashed = segments[at + 1];
  // Dynamic tanh: tanh(alpha x) in the place of a norm, its weight and bias behind it.
  if (
    isFactor(first, constants) &&
    squashed?.ops.length === 1 &&
    squashed.ops[0]!.type === "Tanh"
  ) {
    return { next: at + 2, norm: "other", weight: null, bias: null, epsilon: null };
  }
  if (isNormaliser(first)) {
    const centred = first.ops.some((op) => op.type === "Sub");
    return decomposed(at + 1, centred, first.ops, constants);
  }
  // x - mean(x) is a cut of its own where nothing but the quotient reads it, or a cast for both.
  if (!isCentring(first)) return null;
  const behind = pastCasts(segments, at + 1);
  const second = segments[behind];
  if (!second) return null;
  if (isNormaliser(second)) return decomposed(behind + 1, true, second.ops, constants);
  const [root] = second.ops;
  // Optimizers see an rms_norm in what follows, where the norm has no bias.
  if (!isNormOp(second) || normOps.get(root!.type) !== "rms_norm") return null;
  return { next: behind + 1, norm: "layer_norm", ...operandsOf(root!) };
}

function operandsOf({ inputs, node }: Op): Pick<CoreMatch, "weight" | "bias" | "epsilon"> {
  const [, scale, shift] = inputs;
  return {
    weight: scale?.constant ? (scale.value ?? null) : null,
    bias: shift?.constant ? (shift.value ?? null) : null,
    epsilon: node.float("epsilon") ?? (skipNorms[node.op] ? skipNormEpsilon : 1e-5),
  };
}

function decomposed(
  next: number,
  centred: boolean,
  ops: readonly Op[],
  constants: Constants,
): CoreMatch {
  const sums = ops.filter((op) => op.type === "Add" || op.type === "Max" || op.type === "Clip");
  const added = sums.map((op) => constants.scalar(op.inputs.find((wire) => wire?.constant)));
  // A variance that is kept from being negative has no epsilon yet.
  const epsilon = added.find((x) => x !== null && x !== 0) ?? null;
  const norm = unusual(ops, constants) ? "other" : centred ? "layer_norm" : "rms_norm";
  const byLength = norm === "rms_norm" && !ops.some((op) => op.type === "ReduceMean");
  return { next, norm, byLength, weight: null, bias: null, epsilon };
}

/** Weights or factors inside of the statistics, or the epsilon behind the root. */
function unusual(ops: readonly Op[], constants: Constants): boolean {
  return ops.some((op) => {
    const constant = op.inputs.find((wire) => wire?.constant);
    if (op.type === "Mul" || op.type === "Div") {
      return constant !== undefined && constants.scalar(constant) !== 1;
    }
    return op.type === "Add" && op.inputs.some((wire) => wire?.from?.type === "Sqrt");
  });
}

function isFactor(
  segment: Segment | undefined,
  constants: Constants,
  expected: number | null = null,
): boolean {
  const op = segment?.ops[0];
  if (segment?.ops.length !== 1 || op?.type !== "Mul") return false;
  return op.inputs.some((wire) => {
    const factor = wire?.constant ? constants.scalar(wire) : null;
    return factor !== null && (expected === null || Math.abs(factor / expected - 1) < 1e-3);
  });
}

function isNormOp(segment: Segment | undefined): boolean {
  return segment?.ops.length === 1 && normOps.has(segment.ops[0]!.type);
}

function isCast(segment: Segment | undefined): boolean {
  return segment?.ops.length === 1 && ["Cast", "Identity"].includes(segment.ops[0]!.type);
}

function pastCasts(segments: readonly Segment[], from: number): number {
  let next = from;
  while (isCast(segments[next])) next++;
  return next;
}

function isCentring({ ops, from }: Segment): boolean {
  const last = ops.at(-1)!;
  return (
    last.type === "Sub" && last.inputs[0] === from && ops.some((op) => op.type === "ReduceMean")
  );
}

/** A quotient of the start, or of the start less its mean, by a statistic of it. */
function isNormaliser({ ops }: Segment): boolean {
  const last = ops.at(-1)!;
  return (
    (last.type === "Div" || last.type === "Mul") &&
    last.data.length === 2 &&
    ops.every((op) => statistics.has(op.type)) &&
    ops.some((op) => reductions.has(op.type)) &&
    ops.some((op) => ["Sqrt", "Pow", "ReduceL2"].includes(op.type))
  );
}

export function widthOf(wire: Wire): number | null {
  const last = wire.value?.type?.shape?.at(-1);
  return typeof last === "number" ? last : null;
}

/** What a segment multiplies or shifts every feature by; null where it is one number for all. */
export function affineOperand(
  segment: Segment | undefined,
  type: "Mul" | "Add",
  width: number | null,
  constants: Constants,
): Value | null {
  const op = segment?.ops[0];
  if (!op || segment!.ops.length !== 1 || op.type !== type) return null;
  const operand = op.inputs.find((wire) => wire?.constant);
  const stored = operand ? vectorOf(operand, width, constants) : null;
  return stored && stored.shape.reduce((a, b) => a * b, 1) > 1 ? stored.value : null;
}
