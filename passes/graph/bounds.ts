/** Within which numbers a clamp keeps a stream, and which numbers it can have anyway. */
import { materialize } from "../../src/ir/bytes.ts";
import type { Node, Value } from "../../src/ir/graph.ts";
import { elements } from "../../src/ir/types.ts";
import { decodeElements } from "../../src/onnx-ops/elements.ts";
import { storedTensor } from "../../src/onnx-ops/stored.ts";

export type Bounds = readonly [least: number, most: number];

/** The number that all elements of a value are; null where that is not known. */
export type NumberOf = (value: Value | null | undefined) => number | null;

const largest: Readonly<Record<string, number>> = {
  float16: 65504,
  bfloat16: 2 ** 127 * (2 - 2 ** -7),
  float32: 2 ** 127 * (2 - 2 ** -23),
  float64: Number.MAX_VALUE,
};

/** What finite numbers of its type, behind the clamp that makes it where there is one, can be. */
export function boundsOf(value: Value): Bounds {
  const most = largest[value.type?.dtype ?? ""] ?? Number.POSITIVE_INFINITY;
  const clamp = value.producer?.op === "Clip" ? clampOf(value.producer, storedNumber) : null;
  return clamp ? [Math.max(-most, clamp[0]), Math.min(most, clamp[1])] : [-most, most];
}

/** The bounds of a Clip; null where they are not known. */
export function clampOf({ inputs: [, low, high] }: Node, numberOf: NumberOf): Bounds | null {
  const least = low ? numberOf(low) : Number.NEGATIVE_INFINITY;
  const most = high ? numberOf(high) : Number.POSITIVE_INFINITY;
  return least === null || most === null ? null : [least, most];
}

/** The number that a stored tensor of one element is. */
export function storedNumber(value: Value | null | undefined): number | null {
  const tensor = value ? storedTensor(value) : null;
  if (!tensor || tensor.dtype === "string" || elements(tensor.shape) !== 1) return null;
  return decodeElements(tensor.dtype, materialize(tensor.data))[0] ?? null;
}

/** What exporters compute bounds by: the largest number there is, or less where a sum overflowed. */
export function computedNumber({ op, inputs }: Node, numberOf: NumberOf): number | null {
  const [a, b, c] = inputs;
  const [x, y] = [numberOf(a), numberOf(b)];
  switch (op) {
    case "Cast":
      return x;
    case "Neg":
      return x === null ? null : -x;
    case "Not":
      return x === null ? null : Number(x === 0);
    case "Greater":
      return x === null || y === null ? null : Number(x > y);
    case "Sub":
      return x === null || y === null ? null : x - y;
    case "Where":
      return x === null ? null : numberOf(x !== 0 ? b : c);
    default:
      return null;
  }
}
