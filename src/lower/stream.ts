/** How the host lays out its residual stream. Operators see [B, N, D] whatever it is. */
import type { Block, Part } from "../anatomy/anatomy.ts";
import type { Dim, TensorType } from "../ir/types.ts";
import { multiplyDims } from "../onnx-ops/dims.ts";
import type { Site } from "../plan/plan.ts";
import { linearsOf } from "./host.ts";
import { permute, reshape } from "./movement.ts";
import type { Ground } from "./placement.ts";
import type { Extent, Tensor, Wire } from "./values.ts";

/** `N,B,D`: tokens first, as PyTorch's attention has them by default; `B,H,W,D`: on their grid. */
export type Form = "B,N,D" | "N,B,D" | "B,H,W,D";

/** How the host has `x`. */
export interface Stream {
  readonly form: Form;
  readonly shape: readonly Extent[];
  /** The form of its second stream. */
  readonly beside: Form;
}

/** The form of a value of the stream at a site; null where it is none of these. */
export function formOf({ stack, block, part }: Site, type: TensorType): Form | null {
  const { shape } = type;
  if (shape?.length === 3) return stack.tokensFirst ? "N,B,D" : "B,N,D";
  return shape?.length === 4 && hasFeaturesLast(part ?? block, shape[3]!) ? "B,H,W,D" : null;
}

/** Whether linear maps read the last axis, and not convolutions the second one. */
function hasFeaturesLast(place: Part | Block, width: Dim): boolean {
  const parts = "parts" in place ? [...place.parts.values()] : [place];
  const [first] = parts.flatMap(linearsOf);
  return first?.in === width && [...first.nodes].every(({ op }) => op !== "Conv");
}

/** The shape that an operator sees. */
export function seen<T extends Dim>(form: Form, shape: readonly T[]): T[] {
  const [a, b, c, d] = shape as [T, T, T, T];
  if (form === "N,B,D") return [b, a, c];
  return form === "B,H,W,D" ? [a, multiplyDims(b, c) as T, d] : [...shape];
}

/** A value of the stream as an operator sees it. */
export function enter(ground: Ground, form: Form, x: Wire): Wire {
  if (form === "N,B,D") return permute(ground, x, [1, 0, 2]) as Wire;
  return form === "B,H,W,D" ? (reshape(ground, x, seen(form, x.shape)) as Wire) : x;
}

/** What an operator returns as a value of the stream, of the shape `wanted`. */
export function leave(ground: Ground, form: Form, x: Tensor, wanted: readonly Extent[]): Tensor {
  if (form === "N,B,D") return permute(ground, x, [1, 0, 2]);
  return form === "B,H,W,D" ? reshape(ground, x, wanted) : x;
}
