/** A stream that is cut along an axis and put together again, as between the blocks of Flux. */
import type { Node, Value } from "../../src/ir/graph.ts";
import { normalAxis } from "../../src/onnx-ops/op.ts";
import { knownInts } from "./constants.ts";

interface Piece {
  readonly of: Value;
  readonly axis: number;
  /** Bounds as a Slice has them; `to` is infinite where it goes to the end. */
  readonly from: number;
  readonly to: number;
}

export class Pieces {
  readonly #known = new Map<Value, Piece>();

  /** Notes what a node takes of a value. */
  cut(node: Node): void {
    const [x, ...bounds] = node.inputs;
    const [output] = node.outputs;
    if (node.op !== "Slice" || !x || !output) return;
    const [starts, ends, axes, steps] = bounds.map((value) => (value ? knownInts(value) : null));
    const [from, to, axis] = [starts?.[0], ends?.[0], axes?.[0]];
    if (starts?.length !== 1 || from == null || to == null || axis == null) return;
    if (bounds[3] && steps?.[0] !== 1) return;
    const rank = x.type?.shape?.length;
    if (axis < 0 && rank === undefined) return;
    const at = normalAxis(axis, rank!);
    const size = x.type?.shape?.[at];
    const ending = to > 2 ** 31 - 2 || to === size ? Number.POSITIVE_INFINITY : to;
    this.#known.set(output, { of: x, axis: at, from, to: ending });
  }

  /** What a Concat puts together again; null where that is nothing known, or not all of it. */
  joined(node: Node): Value | null {
    if (node.op !== "Concat") return null;
    const pieces = node.inputs.map((value) => value && this.#known.get(value));
    const [first] = pieces;
    if (first?.from !== 0) return null;
    const axis = node.int("axis") ?? 0;
    const at = normalAxis(axis, first.of.type?.shape?.length ?? Number.NaN);
    let end = 0;
    for (const piece of pieces) {
      if (piece?.of !== first.of || piece.axis !== at || piece.from !== end) return null;
      end = piece.to;
    }
    return end === Number.POSITIVE_INFINITY ? first.of : null;
  }
}
