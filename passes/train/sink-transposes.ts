/**
 * Transposes step behind the splits and the arithmetic that read them, where less is turned there:
 * the product of what was split off, say. Gradients take the same way back.
 */
import type { Graph, Model, Node, Value } from "../../src/ir/graph.ts";
import { elements, isStatic } from "../../src/ir/types.ts";
import type { Grower } from "../../src/onnx-ops/grower.ts";
import { readerOf } from "../../src/onnx-ops/op.ts";
import { elementwise } from "./elementwise.ts";
import { growerOf } from "./grower-of.ts";

/** Nodes that read nothing but turned values, so that they may work on what these were before. */
interface Region {
  /** Axis i of a turned value is axis perm[i] of what it was. */
  readonly perm: readonly number[];
  readonly sources: Node[];
  readonly nodes: Node[];
  /** That sources and nodes make. */
  readonly values: Value[];
}

export function sinkTransposes(model: Model): void {
  // What a region ends in may turn what another one reads.
  for (;;) {
    const worthwhile = regionsOf(model.graph).filter((region) => gainOf(region, model.graph) > 0);
    if (worthwhile.length === 0) return;
    const grower = growerOf(model, "layout");
    for (const region of worthwhile) rewrite(region, model.graph, grower);
    grower.patch.commit();
  }
}

function regionsOf(graph: Graph): Region[] {
  const regionOf = new Map<Value, Region>();
  for (const node of graph.nodes) {
    const near = new Set(turnedInputs(node).map((value) => regionOf.get(value)));
    const [region, ...others] = [...near];
    if (region && others.every((other) => String(other?.perm) === String(region.perm))) {
      for (const other of others) absorb(region, other!, regionOf);
      region.nodes.push(node);
      for (const output of node.outputs) include(output!, region, regionOf);
      continue;
    }
    const [output] = node.outputs;
    if (node.op !== "Transpose" || !output || !isTensor(output)) continue;
    const reversed = [...output.type!.shape!.keys()].reverse();
    const perm = readerOf(node.attributes).ints("perm") ?? reversed;
    include(output, { perm, sources: [node], nodes: [], values: [] }, regionOf);
  }
  const position = new Map(graph.nodes.map((node, i) => [node, i]));
  const regions = [...new Set(regionOf.values())];
  for (const { nodes } of regions) nodes.sort((a, b) => position.get(a)! - position.get(b)!);
  return regions;
}

function include(value: Value, region: Region, regionOf: Map<Value, Region>): void {
  region.values.push(value);
  regionOf.set(value, region);
}

function absorb(region: Region, other: Region, regionOf: Map<Value, Region>): void {
  region.sources.push(...other.sources);
  region.nodes.push(...other.nodes);
  for (const value of other.values) include(value, region, regionOf);
}

/** What a node reads that would have to be turned; nothing where the node depends on the axes. */
function turnedInputs(node: Node): Value[] {
  const { inputs, outputs, op } = node;
  const [data] = inputs;
  if (!outputs.every((value) => value && isTensor(value))) return [];
  if (op === "Split") return [data!];
  if (!elementwise.has(op)) return [];
  const whole = inputs.filter((value) => value !== null && value.type?.shape?.length !== 0);
  const places = String(outputs[0]!.type!.shape);
  return whole.every((value) => String(value!.type?.shape) === places) ? (whole as Value[]) : [];
}

function isTensor({ type }: Value): boolean {
  return type?.dtype === "float32" && isStatic(type.shape);
}

const sizeOf = (value: Value) => elements(value.type!.shape as number[]);

/** How many elements fewer are turned. */
function gainOf(region: Region, graph: Graph): number {
  const sizes = (values: readonly Value[]) => values.reduce((n, value) => n + sizeOf(value), 0);
  const sources = new Set(region.sources.map(({ outputs }) => outputs[0]!));
  const leaving = new Set(leavingOf(region, graph));
  // A source that others read, too, stays.
  const spared = [...sources].filter((value) => !leaving.has(value));
  return sizes(spared) - sizes([...leaving].filter((value) => !sources.has(value)));
}

/** Values that somebody outside reads. */
function leavingOf({ nodes, values }: Region, graph: Graph): Value[] {
  const inside = new Set(nodes);
  const stays = (value: Value) => [...value.uses].every(({ node }) => inside.has(node));
  return values.filter((value) => graph.outputs.includes(value) || !stays(value));
}

function rewrite(region: Region, graph: Graph, grower: Grower): void {
  const { perm, sources, nodes } = region;
  const before = new Map(sources.map(({ inputs, outputs }) => [outputs[0]!, inputs[0]!]));
  for (const node of nodes) {
    const outputs = node.outputs as readonly Value[];
    if (node.op === "Split") {
      const axis = readerOf(node.attributes).int("axis") ?? 0;
      const own = axis < 0 ? axis + perm.length : axis;
      const sizes = outputs.map(({ type }) => Number(type!.shape![own]));
      const parts = grower.wire(before.get(node.inputs[0]!)!).split(perm[own]!, sizes);
      outputs.forEach((value, i) => {
        before.set(value, parts[i]!.value);
      });
      continue;
    }
    grower.patch.clone([node], before);
    const { dtype, shape } = outputs[0]!.type!;
    const axes = perm.map((_, axis) => shape![perm.indexOf(axis)]!);
    before.get(outputs[0]!)!.type = { dtype, shape: axes };
  }
  for (const value of leavingOf(region, graph)) {
    if (sources.some(({ outputs }) => outputs[0] === value)) continue;
    grower.patch.shunt(value, grower.wire(before.get(value)!).transpose(perm).value);
  }
}
