/**
 * Reverse-mode differentiation: gradients as ordinary nodes behind the forward ones, by the rules in
 * the literals of src/onnx-ops. Only what lies between the loss and a wanted value is visited, so a
 * frozen prefix costs nothing.
 */
import { fail, type GraftError } from "../src/diag/diagnostic.ts";
import type { Graph, Node, Value } from "../src/ir/graph.ts";
import { readsOf } from "../src/ir/order.ts";
import { dtypes } from "../src/ir/types.ts";
import { isDetached } from "../src/onnx-ops/detached.ts";
import type { Grower } from "../src/onnx-ops/grower.ts";
import { ops } from "../src/onnx-ops/index.ts";
import { readerOf } from "../src/onnx-ops/op.ts";
import type { Part } from "../src/onnx-ops/vjp.ts";
import { Wire } from "../src/onnx-ops/wire.ts";
import { wholeOf } from "./gradient-parts.ts";

/**
 * Gradients of sum(seed * y) over `seeds`, with respect to `wanted`; null for what no seed depends on.
 * @param seeds values of `graph`, or of the grower's patch, with what multiplies each.
 * @throws GraftError `no-gradient` naming every node on the way whose operator has no rule.
 */
export function differentiate(
  graph: Graph,
  grower: Grower,
  seeds: ReadonlyMap<Value, Wire>,
  wanted: readonly Value[],
): Map<Value, Wire | null> {
  const { path, reached } = nodesBetween(graph, new Set(wanted), new Set(seeds.keys()));
  checkRules(path);
  const since = grower.patch.nodes.length;
  const parts = new Map<Value, Part[]>();
  for (const [value, seed] of seeds) parts.set(value, [seed]);
  const gradientOf = (value: Value | null): Wire | null => {
    const found = value && parts.get(value);
    if (!found) return null;
    const whole = wholeOf(found, grower.wire(value));
    parts.set(value, [whole]);
    return whole;
  };
  const keep = new Set(wanted);
  const again = new Map<Value, Value>();
  for (const node of path.toReversed()) {
    const dy = node.outputs.map(gradientOf);
    if (!dy.some((gradient) => gradient)) continue;
    for (const [value, gradient] of gradientsAt(node, dy, reached, again, grower)) {
      const known = parts.get(value);
      if (known) known.push(gradient);
      else parts.set(value, [gradient]);
    }
    for (const value of node.outputs) if (value && !keep.has(value)) parts.delete(value);
  }
  const gradients = new Map(wanted.map((value) => [value, gradientOf(value)]));
  const needed = [...gradients.values()].flatMap((gradient) => gradient?.value ?? []);
  grower.patch.reread(since, again);
  grower.patch.prune(since, needed);
  return gradients;
}

/** What flows back through one node, in the type and shape of each input. */
function gradientsAt(
  node: Node,
  dy: readonly (Wire | null)[],
  reached: ReadonlySet<Value>,
  again: Map<Value, Value>,
  grower: Grower,
): (readonly [Value, Part])[] {
  const wire = (value: Value | null) => value && grower.wire(value);
  const x = node.inputs.map(wire);
  const gradients = ops.get(node.op)!.vjp!({
    dy,
    x,
    y: node.outputs.map(wire),
    attributes: readerOf(node.attributes),
    grower,
    wants: (i) => reached.has(node.inputs[i]!),
    output: (i) => outputOf(node, i, grower),
    again: (y) => again.set(node.outputs[0]!, y.value),
    refuse: (why) => {
      throw noGradient([node], [why]);
    },
  });
  return gradients.flatMap((gradient, i) => {
    const input = x[i];
    if (!gradient || !input || !reached.has(input.value)) return [];
    return [[input.value, fitted(gradient, input)] as const];
  });
}

/** In the dtype of the input and, but for a stretch of it, in its shape. */
function fitted(part: Part, { shape, dtype }: Wire): Part {
  if (part instanceof Wire) return part.sumTo(shape).expand(shape).cast(dtype);
  return { ...part, gradient: part.gradient.cast(dtype) };
}

/** Statistics that norms compute anyway: Mean and InvStdDev of LayerNormalization. */
function outputOf(node: Node, index: number, grower: Grower): Wire {
  const there = node.outputs[index];
  if (there) return grower.wire(there);
  const types = ops.get(node.op)?.infer?.({
    inputs: node.inputs.map((value) => value && grower.wire(value)),
    attributes: readerOf(node.attributes),
    opset: grower.opset,
    outputs: index + 1,
  });
  const type = types?.[index];
  if (!type) throw new Error(`${node.op} gives no output ${index}`);
  return grower.wire(grower.patch.expose(node, index, type));
}

function varies(value: Value | null): boolean {
  if (value === null || isDetached(value)) return false;
  return value.type === null || dtypes[value.type.dtype].float;
}

interface Path {
  /** Nodes that depend on the wanted values and that the seeds depend on, in graph order. */
  readonly path: readonly Node[];
  /** The wanted values and what varies with them. */
  readonly reached: ReadonlySet<Value>;
}

function nodesBetween(graph: Graph, from: ReadonlySet<Value>, to: ReadonlySet<Value>): Path {
  const reached = new Set(from);
  const behind = graph.nodes.filter((node) => {
    const depends = readsOf(node).some((value) => reached.has(value));
    if (depends) for (const value of node.outputs) if (varies(value)) reached.add(value!);
    return depends;
  });
  const needed = new Set(to);
  const path = behind
    .toReversed()
    .filter((node) => {
      const wanted = node.outputs.some((value) => value && needed.has(value));
      if (wanted) for (const value of readsOf(node)) if (reached.has(value)) needed.add(value);
      return wanted;
    })
    .toReversed();
  return { path, reached };
}

function checkRules(path: readonly Node[]): void {
  const without = path.filter((node) => !ops.get(node.op)?.vjp);
  if (without.length === 0) return;
  const nodes = without.filter((node) => node.op === without[0]!.op);
  const others = [...new Set(without.map((node) => node.op))].slice(1);
  throw noGradient(
    nodes,
    others.length ? [`nor have ${others.map((other) => `\`${other}\``).join(", ")}`] : [],
  );
}

/** Operators of a domain that no runtime knows: functions of the model. */
const local = /^(?!com\.microsoft::|ai\.onnx).*::/;

/** Of nodes of one operator. */
function noGradient(nodes: readonly Node[], why: readonly string[]): GraftError {
  const line = nodes.map((node) => node.metadata.get("graftc.edit")).find((edit) => edit);
  const names = nodes.slice(0, 3).map((node) => `\`${node.name}\``);
  return fail(
    "no-gradient",
    { op: nodes[0]!.op, nodes: nodes.length, names: names.join(", ") },
    {
      notes: [...(line ? [`${line} asked for it`] : []), ...why],
      hint: local.test(nodes[0]!.op)
        ? "inline the model's own functions first, with onnx.inliner.inline_local_functions of Python"
        : "train less of the model, so that the gradient need not pass there",
    },
  );
}
