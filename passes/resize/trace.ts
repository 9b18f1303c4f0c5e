/** Carries marks from the projections through a graph and collects what has to change. */
import type { Graph, Node, Value } from "../../src/ir/graph.ts";
import type { Dim } from "../../src/ir/types.ts";
import { storedInts, storedTensor } from "../../src/onnx-ops/stored.ts";
import { knownInts, preparesConstants } from "../graph/constants.ts";
import type { Entry, Mark, MarkedTensor, View } from "./marks.ts";
import { rules } from "./rules.ts";

export interface Request {
  readonly graph: Graph;
  /** Nodes that the units may reach, besides those that compute with constants alone. */
  readonly within: ReadonlySet<Node>;
  readonly units: number;
  readonly resized: number;
  readonly seeds: readonly MarkedTensor[];
  /** `an MLP's hidden units`, for messages. */
  readonly noun: string;
  /** What to throw for a reason: it knows the edit and its place. */
  readonly refusal: (reason: string) => Error;
}

export interface Traced {
  readonly marks: ReadonlyMap<Value, Mark>;
  /** Seeds and what was met on the way. */
  readonly tensors: readonly MarkedTensor[];
  readonly vectors: readonly {
    readonly node: Node;
    readonly input: number;
    readonly values: readonly Entry[];
  }[];
  readonly attributes: readonly {
    readonly node: Node;
    readonly values: Readonly<Record<string, number | readonly number[]>>;
  }[];
}

/** Operators that only compute sizes when they read sizes. */
const arithmetic =
  /^(Shape|Size|Gather|Slice|Concat|Cast|Identity|Unsqueeze|Squeeze|Reshape|Add|Sub|Mul|Div)$/;

/** Of operators whose rules set sizes anew: the inputs that hold them. */
const sizeInputs: Readonly<Record<string, (input: number) => boolean>> = {
  Reshape: (input) => input === 1,
  Expand: (input) => input === 1,
  Split: (input) => input === 1,
  Slice: (input) => input >= 1,
};

/** @throws GraftError where a node works on units in a way that is not known. */
export function traceUnits(request: Request): Traced {
  const { graph, seeds } = request;
  const marks = new Map<Value, Mark>(seeds.map(({ value, mark }) => [value, mark]));
  const tensors = new Map(seeds.map((seed) => [seed.value, seed]));
  /** Values that were computed from the size of a marked axis. */
  const counted = new Set<Value>();
  const vectors: Collected["vectors"] = [];
  const traced = { marks, tensors, counted, vectors, attributes: [] };
  for (const node of graph.nodes) {
    const isMarked = node.inputs.some((value) => value && marks.has(value));
    const isCounted = node.inputs.some((value) => value && counted.has(value));
    if (!isMarked && !isCounted) continue;
    if (leavesAlone(node, request, marks)) continue;
    if (isCounted && !isMarked) {
      if (!arithmetic.test(node.op)) refuse(node, "it computes with their number", request);
      if (!picksOther(node, counted, marks)) for (const y of node.outputs) if (y) counted.add(y);
      continue;
    }
    node.inputs.forEach((value, i) => {
      if (!value || !counted.has(value) || sizeInputs[node.op]?.(i)) return;
      refuse(node, "it computes with their number", request);
    });
    const rule = rules.get(node.op);
    if (!rule) refuse(node, "what it does with them is not known", request);
    const outputs = rule(viewOf(node, request, traced));
    node.outputs.forEach((value, i) => {
      const mark = outputs[i];
      if (value && mark) marks.set(value, mark);
      if (value && node.op === "Shape") counted.add(value);
    });
  }
  for (const value of marks.keys()) checkUses(value, request);
  return { marks, vectors, attributes: traced.attributes, tensors: [...tensors.values()] };
}

/** Whether a node takes elements of a Shape that are sizes of other axes. */
function picksOther(node: Node, counted: ReadonlySet<Value>, marks: ReadonlyMap<Value, Mark>) {
  const [data] = node.inputs;
  const shaped = data && counted.has(data) && data.producer?.op === "Shape" ? data.producer : null;
  const mark = shaped?.inputs[0] ? marks.get(shaped.inputs[0]) : undefined;
  if (!shaped || !mark) return false;
  const rank = shaped.inputs[0]!.type?.shape?.length ?? 0;
  const first = shaped.int("start") ?? 0;
  const axes = Array.from({ length: rank }, (_, i) => i).slice(first, shaped.int("end") ?? rank);
  const at = (input: number) => {
    const value = node.inputs[input];
    return value ? (knownInts(value)?.[0] ?? null) : null;
  };
  if (node.op === "Gather") {
    const [index] = [at(1)];
    return index !== null && axes.at(index) !== mark.axis;
  }
  if (node.op !== "Slice") return false;
  const [start, end] = [at(1), at(2)];
  return start !== null && end !== null && !axes.slice(start, end).includes(mark.axis);
}

type Collected = { [K in keyof Omit<Traced, "marks" | "tensors">]: Traced[K][number][] } & {
  readonly marks: ReadonlyMap<Value, Mark>;
  readonly tensors: Map<Value, MarkedTensor>;
  readonly counted: ReadonlySet<Value>;
};

function viewOf(node: Node, request: Request, collected: Collected): View {
  const value = (input: number) => node.inputs[input] ?? null;
  const shape = (of: Value | null | undefined): readonly Dim[] =>
    of?.type?.shape ?? refuse(node, "its shapes are not known", request);
  return {
    node,
    units: request.units,
    resized: request.resized,
    has: (input) => value(input) !== null,
    mark: (input) => (value(input) ? (collected.marks.get(value(input)!) ?? null) : null),
    shape: (input) => shape(value(input)),
    outputShape: (output) => shape(node.outputs[output]),
    stored: (input) => (value(input) ? storedInts(value(input)!) : null),
    ints: (input) => (value(input) ? knownInts(value(input)!) : null),
    counted: (input) => collected.counted.has(value(input)!),
    setInts(input, values) {
      collected.vectors.push({ node, input, values });
    },
    setAttributes(values) {
      collected.attributes.push({ node, values });
    },
    addTensor(input, mark, filler) {
      const tensor = value(input);
      if (!tensor || !storedTensor(tensor)) {
        refuse(node, "it computes a value of its own for each of them", request);
      }
      const known = collected.tensors.get(tensor);
      if (known && JSON.stringify(known.mark) !== JSON.stringify(mark)) {
        refuse(node, "it reads one tensor in two ways", request);
      }
      const role = node.opType.toLowerCase();
      const added = { value: tensor, mark, filler, role, fanIn: 1 };
      if (!known) collected.tensors.set(tensor, added);
    },
    refuse: (why) => refuse(node, why, request),
  };
}

/** Whether a node is somebody else's that shares a small tensor, and keeps it as it is. */
function leavesAlone(node: Node, request: Request, marks: ReadonlyMap<Value, Mark>): boolean {
  if (request.within.has(node) || preparesConstants(node)) return false;
  const marked = node.inputs.filter((value) => value && marks.has(value));
  if (marked.every((value) => storedTensor(value!)?.shape.length === 1)) return true;
  return refuse(node, "it is outside of the block", request);
}

function checkUses(value: Value, request: Request): void {
  const stray = [...value.uses].find(({ node }) => node.graph !== request.graph);
  if (stray) refuse(stray.node, "it is inside of a subgraph", request);
  if (!request.graph.outputs.includes(value)) return;
  throw request.refusal(`the model's output ${value.name} has ${request.noun}`);
}

function refuse(node: Node, why: string, { refusal, noun }: Request): never {
  throw refusal(`${node.op} (${node.name || "unnamed"}) works on ${noun}, and ${why}`);
}
