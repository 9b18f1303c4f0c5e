/**
 * Large graphs are probed in pieces: ONNX Runtime's time grows with the square of the outputs that a
 * graph has, and a probe has one for every value.
 */
import type { Node, Value } from "../../src/ir/graph.ts";
import type { TensorType } from "../../src/ir/types.ts";
import type { Measured } from "./probe.ts";
import { readsOf, type Scene } from "./scene.ts";

/** Nodes of one piece. */
export const segmentLength = 1500;

/** Operators that shapes are calculated with. */
const shapeArithmetic = new Set(
  (
    "Shape Size Constant Gather Slice Concat Unsqueeze Squeeze Cast Add Sub Mul Div Mod Neg Min Max " +
    "Range Reshape Expand Equal Where Not ConstantOfShape ReduceProd ReduceMin ReduceMax Identity Floor Ceil Sqrt"
  ).split(" "),
);

/**
 * The scene in pieces of `length` nodes, each to be probed before the next is asked for: what a
 * piece reads of earlier ones has the type that `measured` gives it by then.
 */
export function* segmentsOf(
  scene: Scene,
  measured: ReadonlyMap<string, Measured>,
  length: number,
): Generator<Scene> {
  if (scene.nodes.length <= length || !isSorted(scene.nodes)) {
    yield scene;
    return;
  }
  const cut = cutter(scene);
  for (let from = 0; from < scene.nodes.length; from += length) {
    yield cut(scene.nodes.slice(from, from + length), (value) => measured.get(value.name));
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

function calculatesShapes({ op }: Node, { dtype, shape }: Measured): boolean {
  const whole = dtype === "int64" || dtype === "int32" || dtype === "bool";
  const small = shape !== null && shape.length <= 1;
  return shapeArithmetic.has(op) && small && (whole || shape.length === 0);
}

function isSorted(nodes: readonly Node[]): boolean {
  const position = new Map(nodes.map((node, i) => [node, i]));
  return nodes.every((node, i) =>
    readsOf(node).every((value) => !value.producer || (position.get(value.producer) ?? -1) < i),
  );
}
