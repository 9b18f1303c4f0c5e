/** Indices as digits: what a reshape splits and joins, and a slice cuts. */
import type { Dim } from "../ir/types.ts";
import { divideDims, multiplyDims, productOf } from "../onnx-ops/dims.ts";

/** A digit of the index along one axis of the origin: it counts `size` steps of `stride` elements. */
export interface Digit {
  /** Axis of the origin, -1 where the elements are repeated or new. */
  readonly axis: number;
  readonly size: Dim;
  /** null where the steps are not known (something was joined along the axis). */
  readonly stride: Dim;
}

export function sizeOf(digits: readonly Digit[]): Dim {
  return productOf(digits.map((digit) => digit.size));
}

/** Distributes digits over axes of given sizes, from both ends; one stretch may stay unknown. */
export function regroup(
  digits: readonly Digit[],
  dims: readonly Dim[],
): (readonly Digit[])[] | null {
  const axes: (readonly Digit[] | null)[] = dims.map((dim) => (dim === 1 ? [] : null));
  const rest = [...digits];
  for (let i = 0; i < dims.length; i++) {
    if (axes[i]) continue;
    const taken = take(rest, dims[i]!, "front");
    if (!taken) break;
    axes[i] = taken;
  }
  for (let i = dims.length - 1; i >= 0; i--) {
    if (axes[i]) continue;
    const taken = take(rest, dims[i]!, "back");
    if (!taken) break;
    axes[i] = taken;
  }
  const open = axes.flatMap((axis, i) => (axis ? [] : [i]));
  if (open.length === 1) axes[open[0]!] = rest.splice(0);
  else if (open.length === rest.length) for (const i of open) axes[i] = [rest.shift()!];
  return rest.length === 0 && axes.every((axis) => axis !== null) ? axes : null;
}

/** Takes digits of product `want` off one end of `rest`, splitting the last one where it must. */
function take(rest: Digit[], want: Dim, end: "front" | "back"): Digit[] | null {
  if (want === null) return null;
  const taken: Digit[] = [];
  const before = [...rest];
  let left: Dim = want;
  while (left !== 1) {
    const digit = end === "front" ? rest.shift() : rest.pop();
    const whole: number | string | undefined =
      digit && digit.size !== null ? divideDims(left, digit.size) : undefined;
    if (digit && whole !== undefined) {
      if (end === "front") taken.push(digit);
      else taken.unshift(digit);
      left = whole;
      continue;
    }
    const other: Dim | undefined =
      digit && digit.size !== null ? divideDims(digit.size, left) : undefined;
    if (!digit || other === undefined || other === null) {
      rest.splice(0, rest.length, ...before);
      return null;
    }
    const [outer, inner] = end === "front" ? [left, other] : [other, left];
    const slow = { ...digit, size: outer, stride: multiplyDims(digit.stride, inner) };
    const fast = { ...digit, size: inner };
    if (end === "front") {
      taken.push(slow);
      rest.unshift(fast);
    } else {
      taken.unshift(fast);
      rest.push(slow);
    }
    left = 1;
  }
  return taken;
}
