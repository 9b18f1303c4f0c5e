/** How the host lays out its residual stream. Operators see [B, N, D] whatever it is. */
import type { Block, Order } from "../anatomy/anatomy.ts";
import type { Value } from "../ir/graph.ts";
import type { Dim, TensorType } from "../ir/types.ts";
import { multiplyDims } from "../onnx-ops/dims.ts";
import type { Site } from "../plan/plan.ts";
import { linearsOf } from "./host.ts";
import { permute, reshape } from "./movement.ts";
import type { Ground } from "./placement.ts";
import type { Extent, Tensor, Wire } from "./values.ts";

/** `B,H,W,D`: tokens on their grid; `BN,D`: those of all samples one behind the other. */
export type Form = Order | "B,H,W,D" | "BN,D";

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
  if (shape?.length === 3) return stack.order;
  if (shape?.length === 4) return hasFeaturesLast(block, shape[3]!) ? "B,H,W,D" : null;
  if (shape?.length !== 2) return null;
  if (stack.order === "N,D") return "N,D";
  return stack.order === "B,N,D" && part && isFlattened(part.x, block.input) ? "BN,D" : null;
}

/** Whether linear maps read the last axis, and not convolutions the second one. */
function hasFeaturesLast({ parts }: Block, width: Dim): boolean {
  const [first] = [...parts.values()].flatMap(linearsOf);
  return first?.in === width && [...first.nodes].every(({ op }) => op !== "Conv");
}

/** Whether the tokens of a value are those of `stream` [B, N, D], in that order. */
function isFlattened(value: Value, stream: Value): boolean {
  const whole = stream.type?.shape?.join();
  for (let at: Value | null | undefined = value; at?.producer; at = at.producer.inputs[0]) {
    const { op, inputs } = at.producer;
    const before = inputs[0]?.type?.shape;
    if (before?.length === 3) return op === "Reshape" && before.join() === whole;
    if (before?.length !== 2 || op === "Transpose") return false;
  }
  return false;
}

/** The form of what a part gives: it may set apart the samples that came to it in one row of tokens. */
export function formAs({ form }: Stream, shape: readonly Dim[] | null): Form {
  return form === "BN,D" && shape?.length === 3 ? "B,N,D" : form;
}

/** The shape that an operator sees. */
export function seen<T extends Dim>(form: Form, shape: readonly T[], outer: readonly T[]): T[] {
  const [a, b, c, d] = shape as [T, T, T, T];
  if (form === "N,B,D") return [b, a, c];
  if (form === "N,D") return [1 as T, a, b];
  if (form === "BN,D") return [...outer, b];
  return form === "B,H,W,D" ? [a, multiplyDims(b, c) as T, d] : [...shape];
}

/** A value of the stream as an operator sees it. */
export function enter(ground: Ground, form: Form, x: Wire, outer: readonly Extent[] = []): Wire {
  if (form === "B,N,D") return x;
  if (form === "N,B,D") return permute(ground, x, [1, 0, 2]) as Wire;
  return reshape(ground, x, seen(form, x.shape, outer)) as Wire;
}

/** What an operator returns as a value of the stream, of the shape `wanted`. */
export function leave(ground: Ground, form: Form, x: Tensor, wanted: readonly Extent[]): Tensor {
  if (form === "B,N,D") return x;
  return form === "N,B,D" ? permute(ground, x, [1, 0, 2]) : reshape(ground, x, wanted);
}
