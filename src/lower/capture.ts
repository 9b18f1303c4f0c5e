/**
 * Values of the host that an operator goes on reading: masks, tables of angles. Where one is cut to
 * the shape of the host's own queries or keys, that size is computed anew, so that the host's
 * projections need not stay for the sake of their shape.
 */
import type { Node, Value } from "../ir/graph.ts";
import type { Ground } from "./placement.ts";
import type { Extent } from "./values.ts";

/** A value of the graph, free of `projections` as far as only their shapes matter to it. */
export function capture(
  ground: Ground,
  value: Value,
  part: ReadonlySet<Node>,
  projections: ReadonlySet<Node>,
): Value {
  const copies = new Map<Value, Value>();
  const tied = new Map<Value, boolean>();

  /** Whether it is computed from what the projections give. */
  function isTied(from: Value): boolean {
    const known = tied.get(from);
    if (known !== undefined) return known;
    const node = from.producer;
    const inside = node !== null && part.has(node);
    const result = inside && (projections.has(node) || inputsOf(node).some(isTied));
    tied.set(from, result);
    return result;
  }

  function freed(from: Value): Value {
    const known = copies.get(from);
    if (known) return known;
    const node = from.producer;
    if (!node || !isTied(from) || projections.has(node)) return from;
    const shape = node.op === "Shape" ? shapeOf(node) : undefined;
    if (shape) {
      copies.set(from, ground.sizes.vector(shape));
      return copies.get(from)!;
    }
    const map = new Map(inputsOf(node).map((input) => [input, freed(input)]));
    if ([...map].every(([input, copy]) => input === copy)) return from;
    ground.patch.clone([node], map);
    for (const output of node.outputs) if (output) copies.set(output, map.get(output)!);
    return copies.get(from)!;
  }

  return freed(value);
}

/** What a Shape gives; undefined where the type of its input does not tell. */
function shapeOf(node: Node): readonly Extent[] | undefined {
  const shape = node.inputs[0]?.type?.shape;
  const part = shape?.slice(node.int("start") ?? 0, node.int("end"));
  return part?.every((dim) => dim !== null) ? (part as Extent[]) : undefined;
}

function inputsOf(node: Node): Value[] {
  return node.inputs.filter((input) => input !== null);
}
