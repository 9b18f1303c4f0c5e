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
  /** The operand is a stretch of the stored tensor along this axis of its own, from `start`. */
  readonly cut: { readonly axis: number; readonly start: number } | null;
  /** Between the stored tensor and the operand. */
  readonly ops: readonly Op[];
}

const transparent = new Set(["Identity", "Cast", "DequantizeLinear"]);
const rearranging =
  /^(Slice|Split|Transpose|Reshape|Cast|Gather|Squeeze|Unsqueeze|Identity|DequantizeLinear)$/;

/**
 * Whether a wire is a weight: constant, or a piece of a constant whose bounds exporters compute from
 * sizes that are known.
 */
export function isWeight(wire: Wire, constants: Constants): boolean {
  const bounds: (Wire | null)[] = [];
  for (let at = wire; !at.constant; ) {
    const [first, ...rest] = at.from?.inputs ?? [];
    if (!first || !rearranging.test(at.from!.type)) return false;
    bounds.push(...rest);
    at = first;
  }
  return bounds.every((input) => !input || input.constant || constants.known(input) !== null);
}

/** What a weight operand is read from; null where even its shape is unknown. */
export function storedOf(operand: Wire, constants: Constants): Stored | null {
  const ops: Op[] = [];
  let transposed = false;
  let cut = null as Stored["cut"];
  let wire = operand;
  while (wire.from && !wire.value?.initializer) {
    const op = wire.from;
    const next = op.inputs[0];
    if (!next) break;
    if (op.type === "Transpose") {
      if (!swapsLastTwo(op, shapeOf(next, constants)?.length)) break;
      transposed = !transposed;
      if (cut) cut = { ...cut, axis: 1 - cut.axis };
    } else if (op.type === "Slice" || op.type === "Split") {
      const found: Stored["cut"] = cut ? null : cutOf(op, wire, constants);
      if (!found) break;
      cut = found;
    } else if (!transparent.has(op.type)) break;
    ops.unshift(op);
    wire = next;
  }
  const shape = shapeOf(operand, constants);
  const stored = wire.value?.initializer || !wire.from || wire.from.type === "Constant";
  if (stored && wire.value && shape) return { value: wire.value, shape, transposed, cut, ops };
  if (!operand.value || !shape) return null;
  return { value: operand.value, shape, transposed: false, cut: null, ops: [] };
}

function swapsLastTwo({ node }: Op, rank: number | undefined): boolean {
  const perm = node.ints("perm");
  if (!perm) return rank === 2;
  const last = perm.length - 1;
  return perm.every((axis, i) => axis === (i < last - 1 ? i : 2 * last - 1 - i));
}

/** One contiguous stretch along the first or second axis. */
function cutOf(op: Op, output: Wire, constants: Constants): Stored["cut"] {
  if (op.type === "Split") {
    const axis = op.node.int("axis") ?? 0;
    const before = op.outputs.slice(0, op.outputs.indexOf(output));
    const sizes = before.map((wire) => wire && shapeOf(wire, constants)?.[axis]);
    if (axis < 0 || axis > 1 || sizes.some((size) => typeof size !== "number")) return null;
    return { axis, start: (sizes as number[]).reduce((a, b) => a + b, 0) };
  }
  const of = (index: number, name: string) =>
    op.node.ints(name) ?? constants.known(op.inputs[index]);
  const [starts, axes, steps] = [of(1, "starts"), of(3, "axes") ?? [0], of(4, "steps") ?? [1]];
  if (starts?.length !== 1 || starts[0]! < 0 || steps[0] !== 1) return null;
  return axes[0] === 0 || axes[0] === 1 ? { axis: axes[0], start: starts[0]! } : null;
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
  if (!isWeight(wire, constants)) return null;
  const stored = storedOf(wire, constants);
  if (!stored) return null;
  const wide = stored.shape.filter((dim) => dim !== 1);
  const count = stored.shape.reduce((a, b) => a * b, 1);
  if (wide.length > 1 || (size !== null && count !== size) || stored.shape.length === 0)
    return null;
  return stored;
}
