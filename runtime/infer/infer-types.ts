import type { Graph, Model, Node, Value } from "../../src/ir/graph.ts";
import type { TensorType } from "../../src/ir/types.ts";
import { evaluateDim } from "../../src/measure/index.ts";
import { changedTypes, remember } from "./changed.ts";
import { offenders, unknownNodes } from "./leave-out.ts";
import { Refusal } from "./probe.ts";
import { borderOf, type Scene, sceneOf } from "./scene.ts";
import { symbolsIn } from "./symbols.ts";
import type { Types } from "./tell.ts";
import { typesOf } from "./trials.ts";

/**
 * Types of every value of a graph, by name: see `Oracle.inferTypes`. A graph that is asked about
 * again, after edits, must fit the sizes that it fitted before; then only what they touched is
 * probed, and the rest is as it was.
 * @throws Refusal where no sizes make the graph fit together.
 */
export async function inferGraph(model: Model, graph: Graph = model.graph): Promise<Types> {
  const leftOut = unknownNodes(model, graph);
  if (leftOut.size === 0) {
    const types = await changedTypes(model, graph);
    if (types) return types;
  }
  for (;;) {
    const scene = sceneOf(model, graph, leftOut);
    const before = leftOut.size;
    try {
      const types = new Map([...borderOf(scene), ...(await typesOf(scene))]);
      for (const node of blindSpots(scene, types)) leftOut.add(node);
      if (leftOut.size > before) continue;
      if (before === 0) remember(model, graph, types);
      return types;
    } catch (cause) {
      if (!(cause instanceof Refusal)) throw cause;
      for (const node of offenders(cause.message, graph, leftOut)) leftOut.add(node);
      if (leftOut.size === before) throw cause;
    }
  }
}

/**
 * Nodes whose outputs the file declares and ONNX Runtime cannot tell, though it knows what they are
 * made from: elements of sequences, results of loops. Left out, they no longer hide what follows.
 */
function blindSpots({ nodes, graph, inputs }: Scene, types: Types): readonly Node[] {
  const { names } = symbolsIn(inputs.map(({ type }) => type));
  const isKnown = (type: TensorType | null | undefined): boolean => {
    const sizeOf = (name: string) => (names.includes(name) ? 1 : undefined);
    return type?.shape?.every((dim) => evaluateDim(dim, sizeOf) !== undefined) ?? false;
  };
  const isSeen = (value: Value | null) => !value || isKnown(types.get(value.name));
  return nodes.filter(
    ({ inputs: reads, outputs }) =>
      !outputs.every(isSeen) &&
      outputs.every((value) => !value || isKnown(value.type)) &&
      reads.every((value) => isSeen(value) || !types.has(value!.name)) &&
      outputs.some((value) => value && !graph.outputs.includes(value)),
  );
}
