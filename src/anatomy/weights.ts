/** From the operand of a product back to the tensor that holds it. */
import type { Value } from "../ir/graph.ts";
import type { Constants } from "./constants.ts";
import type { Op, Wire } from "./flow.ts";

export interface Stored {
  /** The initializer; or the constant value itself where more than layout and type was computed. */
  readonly value: Value;
  /** Its shape as the operand has it. */
  readonly shape: readonly number[];
  /** Stored with the last two axes swapped against the operand. */
  readonly transposed: boolean;
  /** Between the stored tensor and the operand. */
  readonly ops: readonly Op[];
}

const transparent = new Set(["Identity", "Cast", "CastLike", "DequantizeLinear"]);

/** What a constant operand is read from; null where even its shape is unknown. */
export function storedOf(operand: Wire, constants: Constants): Stored | null {
  const ops: Op[] = [];
  let transposed = false;
  let wire = operand;
  while (wire.from && !wire.value?.initializer) {
    const op = wire.from;
    const next = op.inputs[0];
    if (!next) break;
    if (op.type === "Transpose") {
      const perm = op.node.ints("perm");
      const swaps =
        !perm ||
        perm.every((axis, i) => axis === (i < perm.length - 2 ? i : 2 * perm.length - 3 - i));
      if (!swaps || (!perm && shapeOf(next, constants)?.length !== 2)) break;
      transposed = !transposed;
    } else if (!transparent.has(op.type)) break;
    ops.unshift(op);
    wire = next;
  }
  const computed = wire.from !== null && wire.from.type !== "Constant";
  const stored = computed ? operand : wire;
  const shape = shapeOf(stored, constants);
  if (!stored.value || !shape) return null;
  if (computed) return { value: stored.value, shape, transposed: false, ops: [] };
  const seen = transposed ? [...shape.slice(0, -2), shape.at(-1)!, shape.at(-2)!] : shape;
  return { value: stored.value, shape: seen, transposed, ops };
}

/** The static shape of a wire, from its tensor or its type. */
export function shapeOf(wire: Wire, constants: Constants): readonly number[] | null {
  const initializer = wire.value?.initializer;
  if (initializer) return initializer.shape;
  const value =
    wire.from?.type === "Constant" ? wire.from.node.attributes.get("value")?.value : null;
  if (value?.type === "tensor") return value.value.shape;
  const shape = wire.value?.type?.shape;
  if (shape?.every((dim) => typeof dim === "number")) return shape as readonly number[];
  const before = wire.from?.inputs[0];
  if (!wire.from || !before || wire.from.type !== "Transpose") return null;
  const inner = shapeOf(before, constants);
  const perm = wire.from.node.ints("perm");
  return inner && (perm ? perm.map((axis) => inner[axis]!) : [...inner].reverse());
}

/** A constant vector of `size` elements, whatever axes of size 1 it has around. */
export function vectorOf(wire: Wire, size: number | null, constants: Constants): Stored | null {
  if (!wire.constant) return null;
  const stored = storedOf(wire, constants);
  if (!stored) return null;
  const wide = stored.shape.filter((dim) => dim !== 1);
  const count = stored.shape.reduce((a, b) => a * b, 1);
  if (wide.length > 1 || (size !== null && count !== size) || stored.shape.length === 0)
    return null;
  return stored;
}
