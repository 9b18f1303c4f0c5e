/** Which weights to zero so that a value is zero, and what a graph computes then. */
import { materialize } from "../../src/ir/bytes.ts";
import type { Node, Value } from "../../src/ir/graph.ts";
import { skipNormBias, skipNorms } from "../../src/onnx-ops/skip-norms.ts";
import { storedTensor } from "../../src/onnx-ops/stored.ts";
import { boundsOf, clampOf, computedNumber, storedNumber } from "./bounds.ts";
import { behind } from "./casts.ts";
import { storedBehind } from "./constants.ts";
import { Pieces } from "./pieces.ts";

const passing =
  /^(Reshape|Transpose|Identity|Cast|CastLike|Dropout|Squeeze|Unsqueeze|Slice|Split|Flatten|Expand|Div|Gather)$/;

/** What must be zero so that a branch adds nothing: the last projection, and a bias that a fused sum adds. */
export function silencers(end: Value): Value[] {
  const biases = [...end.uses].map(({ node }) => skipNormBias(node));
  const behind = biases.flatMap((bias) => (bias && storedBehind(bias)) ?? []);
  return [...(lastProjection(end) ?? []), ...behind];
}

/**
 * Weight and bias of the projection that a branch ends in, found backwards from its end.
 * @returns null where it does not end in a projection.
 */
function lastProjection(end: Value, known: Projections = new Map()): Projection {
  const from = behind(end, ({ op }) => passing.test(op));
  if (!known.has(from)) {
    known.set(from, null);
    const found = projectionAt(from, (value) => lastProjection(value, known));
    known.set(from, found && [...new Set(found)]);
  }
  return known.get(from)!;
}

type Projection = readonly Value[] | null;
type Projections = Map<Value, Projection>;

function projectionAt(
  { producer: node }: Value,
  projection: (value: Value) => Projection,
): Projection {
  if (!node) return null;
  const [a, b, c] = node.inputs;
  const stored = (value: Value | null | undefined) => (value ? storedBehind(value) : null);
  switch (node.op) {
    case "MatMul":
    case "Einsum":
    case "com.microsoft::FusedMatMul": {
      const weight = stored(b) ?? stored(a);
      return weight ? [weight] : b ? projection(b) : null;
    }
    case "Gemm":
    case "com.microsoft::FusedGemm":
    case "Conv":
    case "com.microsoft::FusedConv": {
      const [weight, bias] = [stored(b), c ? stored(c) : null];
      if (!weight || (c && !bias)) return null;
      return bias ? [weight, bias] : [weight];
    }
    case "Add": {
      const bias = stored(a) ?? stored(b);
      const sides = [a, b].flatMap((side) => (side && !stored(side) ? [projection(side)] : []));
      if (sides.length === 0 || sides.some((side) => !side)) return null;
      return [...sides.flatMap((side) => side!), ...(bias ? [bias] : [])];
    }
    case "Mul": {
      const sides = [a, b].flatMap((side) => (side && !stored(side) ? [side] : []));
      for (const side of sides) {
        const found = projection(side);
        if (found) return found;
      }
      return null;
    }
    case "Concat": {
      const all = node.inputs.map((value) => (value ? projection(value) : null));
      return all.some((found) => !found) ? null : all.flatMap((found) => found!);
    }
    case "Attention":
    case "com.microsoft::MultiHeadAttention":
      return c ? projection(c) : null;
    default:
      return null;
  }
}

type Kind = "zero" | "stream" | "other";

export interface Fate {
  /** Each stream is handed on unchanged. */
  readonly identity: boolean;
  /** A clamp may change one. */
  readonly clamped: boolean;
}

/**
 * What nodes do to streams when these weights are zero and all numbers are finite. What enters lies
 * within the bounds of what leaves: copies stand behind their original.
 * @param streams what enters, with what leaves in its place.
 */
export function fateOf(
  nodes: readonly Node[],
  zeros: ReadonlySet<Value>,
  streams: readonly (readonly [input: Value, output: Value])[],
): Fate {
  const known = new Map<Value, { kind: Kind; of?: Value }>();
  const bounds = new Map(streams.map(([input, output]) => [input, boundsOf(output)]));
  const numbers = new Map<Value, number>();
  const pieces = new Pieces();
  let clamped = false;
  for (const value of zeros) known.set(value, { kind: "zero" });
  for (const [input] of streams) known.set(input, { kind: "stream", of: input });
  const kindOf = (value: Value | null | undefined): Kind => {
    if (!value) return "zero";
    return known.get(value)?.kind ?? (isZero(value) ? "zero" : "other");
  };
  const numberOf = (value: Value | null | undefined): number | null => {
    if (!value) return null;
    return kindOf(value) === "zero" ? 0 : (numbers.get(value) ?? storedNumber(value));
  };
  const passes = (node: Node) => {
    const [least, most] = bounds.get(known.get(node.inputs[0]!)!.of!)!;
    const clamp = clampOf(node, numberOf);
    return clamp !== null && clamp[0] <= least && clamp[1] >= most;
  };
  for (const node of nodes) {
    const kinds = node.inputs.map(kindOf);
    const number = kinds.includes("stream") ? null : computedNumber(node, numberOf);
    if (number !== null) numbers.set(node.outputs[0]!, number);
    const clamps = node.op === "Clip" && kinds[0] === "stream";
    if (clamps && !passes(node)) clamped = true;
    const same = clamps ? !clamped : node.op === "Cast" && keepsDigits(node);
    if (kinds[0] === "stream") pieces.cut(node);
    const whole = pieces.joined(node);
    const kind = whole ? "stream" : same ? kinds[0]! : number === 0 ? "zero" : outcome(node, kinds);
    const carried = whole ?? node.inputs.find((value) => value && kindOf(value) === "stream");
    // Of a norm fused with a sum only the sum is followed.
    for (const value of skipNorms[node.op] ? node.outputs.slice(3) : node.outputs) {
      if (!value || kind === "other") continue;
      known.set(value, kind === "zero" ? { kind } : { kind, of: known.get(carried!)!.of! });
    }
  }
  const identity = streams.every(([input, output]) => {
    const end = known.get(output);
    return end?.kind === "stream" && end.of === input;
  });
  return { identity, clamped };
}

const wider: Readonly<Record<string, readonly string[]>> = {
  float16: ["float32", "float64"],
  bfloat16: ["float32", "float64"],
  float32: ["float64"],
};

/** To the type it has, as exporters write it, or to a wider one. */
function keepsDigits({ inputs, outputs }: Node): boolean {
  const [from, to] = [inputs[0]?.type?.dtype, outputs[0]?.type?.dtype];
  return Boolean(from && to && (from === to || wider[from]?.includes(to)));
}

/** Small stored tensors that are zero already: biases that nobody trained. */
function isZero(value: Value): boolean {
  const tensor = storedTensor(value);
  if (!tensor || tensor.shape.length > 1 || tensor.dtype === "string") return false;
  return materialize(tensor.data).every((byte) => byte === 0);
}

function outcome(node: Node, kinds: readonly Kind[]): Kind {
  const [a = "zero", b = "zero", c = "zero"] = kinds;
  switch (node.op) {
    case "MatMul":
    case "Einsum":
    case "com.microsoft::FusedMatMul":
      return a === "zero" || b === "zero" ? "zero" : "other";
    case "Mul":
      return a === "zero" || b === "zero" ? "zero" : "other";
    case "Gemm":
    case "Conv":
    case "com.microsoft::FusedGemm":
    case "com.microsoft::FusedConv":
      return (a === "zero" || b === "zero") && c === "zero" && !node.string("activation")
        ? "zero"
        : "other";
    case "Add":
    case "Sum":
      return sumOf(kinds);
    case "com.microsoft::SkipLayerNormalization":
    case "com.microsoft::SkipSimplifiedLayerNormalization":
      return sumOf([a, b, kinds[skipNorms[node.op]!.bias] ?? "zero"]);
    case "Sub":
      return b === "zero" ? a : "other";
    case "LayerNormalization":
      return a === "zero" && c === "zero" ? "zero" : "other";
    case "RMSNormalization":
    case "SimplifiedLayerNormalization":
      return a === "zero" ? "zero" : "other";
    case "Concat":
      return kinds.every((kind) => kind === "zero") ? "zero" : "other";
    case "Identity":
    case "Dropout":
    // The same elements in the same order; what leaves has the shape of what enters.
    case "Reshape":
    case "Flatten":
    case "Squeeze":
    case "Unsqueeze":
      return a;
    case "IsInf":
    case "IsNaN":
      return a === "other" ? "other" : "zero";
    case "Attention":
    case "com.microsoft::MultiHeadAttention":
      return c === "zero" ? "zero" : "other";
    case "ReduceSum":
    case "ReduceMean":
      return a === "zero" ? "zero" : "other";
    default:
      return passing.test(node.op) && a === "zero" ? "zero" : "other";
  }
}

function sumOf(kinds: readonly Kind[]): Kind {
  if (kinds.every((kind) => kind === "zero")) return "zero";
  const streams = kinds.filter((kind) => kind === "stream").length;
  return streams === 1 && !kinds.includes("other") ? "stream" : "other";
}
