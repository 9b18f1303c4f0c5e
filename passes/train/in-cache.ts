/**
 * Arithmetic on large tensors, a cache's worth of elements at a time: one Scan in the place of many
 * nodes, each of which would write to memory what the next one reads.
 */
import type { Graph, Model, Node, Use, Value } from "../../src/ir/graph.ts";
import { elements, isStatic } from "../../src/ir/types.ts";
import type { Wire } from "../../src/onnx-ops/wire.ts";
import { elementwise } from "./elementwise.ts";
import { growerOf } from "./grower-of.ts";
import { byRows, columnsOf } from "./rows.ts";

/** What a Scan has to save, in nodes and in elements of each: it costs some 10 us a row itself. */
const fewestNodes = 4;
const fewestElements = 1 << 19;

/** Nodes that run as one; whatever lies between two of them is one of them. */
type Cluster = Node[];

/** For CPUs: on a GPU each row would be a launch. */
export function keepInCache(model: Model): void {
  const { graph } = model;
  for (const cluster of clustersOf(graph)) {
    const grower = growerOf(model, cluster[0]!.name.slice(1));
    const members = new Set(cluster);
    const given = [...new Set(cluster.flatMap(wholeInputs))].filter(
      ({ producer }) => !producer || !members.has(producer),
    );
    const wanted = cluster
      .map((node) => node.outputs[0]!)
      .filter((value) => {
        const inside = (use: Use) => members.has(use.node);
        return graph.outputs.includes(value) || ![...value.uses].every(inside);
      });
    const { shape } = wanted[0]!.type!;
    const arithmetic = (rows: readonly Wire[]) => copiesOf(cluster, given, rows, wanted);
    const operands = given.map((value) => grower.wire(value));
    const columns = columnsOf(elements(shape as number[]))!;
    const results = byRows(grower, operands, columns, arithmetic);
    wanted.forEach((value, i) => {
      grower.patch.shunt(value, results[i]!.reshape(shape as number[]).value);
    });
    grower.patch.commit();
  }
}

/** The same nodes on rows of what they are given. */
function copiesOf(
  cluster: Cluster,
  given: readonly Value[],
  rows: readonly Wire[],
  wanted: readonly Value[],
): Wire[] {
  const { grower, type } = rows[0]!;
  const copies = new Map(given.map((value, i) => [value, rows[i]!.value]));
  grower.patch.clone(cluster, copies);
  return wanted.map((value) => {
    const copy = copies.get(value)!;
    copy.type = type;
    return grower.wire(copy);
  });
}

/**
 * Neighbours at one distance from the end of the graph, where a step between neighbours is none: so
 * no way leads out of a cluster and back into it.
 */
function clustersOf(graph: Graph): Cluster[] {
  const distance = new Map<Node, number>();
  const clusterOf = new Map<Node, Cluster>();
  for (const node of graph.nodes.toReversed()) {
    const readers = readersOf(node, graph);
    const isNeighbour = (reader: Node) => placesOf(node) && placesOf(node) === placesOf(reader);
    const own = Math.max(
      0,
      ...readers.map((reader) => distance.get(reader)! + (isNeighbour(reader) ? 0 : 1)),
    );
    distance.set(node, own);
    const near = readers.filter((each) => isNeighbour(each) && distance.get(each) === own);
    const joined = [...new Set(near.map((each) => clusterOf.get(each)!))];
    const cluster = [node, ...joined.flat()];
    for (const member of cluster) clusterOf.set(member, cluster);
  }
  const large = ({ length }: Cluster) => length >= fewestNodes;
  for (const node of graph.nodes) absorb(node, clusterOf, large);
  const position = new Map(graph.nodes.map((node, i) => [node, i]));
  return [...new Set(clusterOf.values())]
    .filter(large)
    .map((cluster) => cluster.sort((a, b) => position.get(a)! - position.get(b)!));
}

/** A node that reads what a cluster makes, and otherwise only what that reads, joins it. */
function absorb(
  node: Node,
  clusterOf: Map<Node, Cluster>,
  large: (cluster: Cluster) => boolean,
): void {
  const alone = clusterOf.get(node)!;
  if (!placesOf(node) || alone.length > 1) return;
  const cluster = wholeInputs(node)
    .map(({ producer }) => producer && clusterOf.get(producer))
    .find((each) => each && large(each));
  if (!cluster) return;
  const known = new Set(cluster.flatMap((member) => [...member.inputs, ...member.outputs]));
  if (!node.inputs.every((value) => known.has(value) || isConstant(value))) return;
  cluster.push(node);
  clusterOf.set(node, cluster);
}

function isConstant(value: Value | null): boolean {
  return value === null || value.initializer !== null || value.producer?.op === "Constant";
}

/** The shape that a node works on place by place, in words; null: it does something else. */
function placesOf(node: Node): string | null {
  const type = node.outputs[0]?.type;
  if (!elementwise.has(node.op) || type?.dtype !== "float32" || !isStatic(type.shape)) return null;
  const count = elements(type.shape);
  if (count < fewestElements || !columnsOf(count)) return null;
  const places = String(type.shape);
  const fits = (value: Value | null) =>
    value?.type?.dtype === "float32" && (String(value.type.shape) === places || isScalar(value));
  return node.inputs.every(fits) ? places : null;
}

function isScalar({ type }: Value): boolean {
  return type?.shape?.length === 0;
}

function wholeInputs(node: Node): Value[] {
  return node.inputs.filter((value): value is Value => value !== null && !isScalar(value));
}

/** Nodes of the graph itself that read a node, or whose subgraphs do. */
function readersOf(node: Node, graph: Graph): Node[] {
  const home = (reader: Node): Node =>
    reader.graph === graph ? reader : home(reader.graph!.owner!);
  return node.outputs.flatMap((value) => [...(value?.uses ?? [])].map((use) => home(use.node)));
}
