/**
 * Graphs are probed in pieces, and what is like an earlier piece not at all: ONNX Runtime's time grows
 * with the square of the outputs that a graph has, and a probe has one for every value.
 */
import type { Node, Value } from "../../src/ir/graph.ts";
import type { TensorType } from "../../src/ir/types.ts";
import { precedentsIn } from "./precedents.ts";
import type { Measured } from "./probe.ts";
import { readsOf, type Scene } from "./scene.ts";
import { calculatesShapes } from "./shape-arithmetic.ts";
import type { Sizes } from "./symbols.ts";

/** Nodes of one piece at most, where few are alike, and where most are: a block or two. */
const longest = 1500;
const repeated = 64;

/** Cutting pays from this many nodes of each kind on. */
const enoughAlike = 5;

/** The length of pieces that takes the least time. */
export function segmentLength({ nodes }: Scene): number {
  const kinds = new Set(nodes.map(({ op, inputs }) => [op, ...inputs.map(sourceOf)].join()));
  return kinds.size * enoughAlike < nodes.length ? repeated : longest;
}

function sourceOf(value: Value | null): string {
  return value?.producer?.op ?? String(value?.initializer?.shape ?? "");
}

/**
 * The scene in pieces of `length` nodes, each to be probed before the next is asked for: what a
 * piece reads of earlier ones has the type that `measured` gives it by then. Nodes that have a
 * precedent are in no piece, and get their types from it.
 */
export function* segmentsOf(
  scene: Scene,
  sizes: Sizes,
  measured: Map<string, Measured>,
  length: number,
): Generator<Scene> {
  const { nodes } = scene;
  if (nodes.length <= length || !isSorted(nodes)) {
    yield scene;
    return;
  }
  const cut = cutter(scene);
  const precedents = precedentsIn(scene, sizes, measured);
  for (let from = 0; ; ) {
    while (from < nodes.length && precedents.recall(nodes[from]!)) from++;
    if (from >= nodes.length) return;
    const piece = nodes.slice(from, from + length);
    yield cut(piece, (value) => measured.get(value.name));
    precedents.learn(piece);
    from += length;
  }
}

/**
 * What cuts nodes out of a scene: what they read and do not make has the type that is told. Integers
 * are not cut off from what calculates them, or their values would be lost.
 */
export function cutter(scene: Scene) {
  const given = new Map(scene.inputs.map(({ value, type }) => [value, type]));
  const nodes = new Set(scene.nodes);
  return (own: readonly Node[], typeOf: (value: Value) => Measured | undefined): Scene => {
    const inside = new Set(own);
    const inputs = new Map<Value, TensorType>();
    const read = new Set<Value>();
    const queue = own.flatMap(readsOf);
    for (let value = queue.pop(); value; value = queue.pop()) {
      read.add(value);
      const type = given.get(value);
      const { producer } = value;
      if (type) inputs.set(value, type);
      if (type || !producer || !nodes.has(producer) || inside.has(producer)) continue;
      const known = typeOf(value);
      if (known && !calculatesShapes(producer, known)) inputs.set(value, known);
      else {
        inside.add(producer);
        queue.push(...readsOf(producer));
      }
    }
    return {
      ...scene,
      nodes: scene.nodes.filter((node) => inside.has(node)),
      inputs: [...inputs].map(([value, type]) => ({ value, type })),
      keep: (value) => scene.keep(value) && read.has(value),
      outputs: own.flatMap((node) => node.outputs.filter((value) => value !== null)),
    };
  };
}

function isSorted(nodes: readonly Node[]): boolean {
  const position = new Map(nodes.map((node, i) => [node, i]));
  return nodes.every((node, i) =>
    readsOf(node).every((value) => !value.producer || (position.get(value.producer) ?? -1) < i),
  );
}
