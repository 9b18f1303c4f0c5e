/** What is stored of a value: a tensor, or the whole numbers of one. */
import { materialize } from "../ir/bytes.ts";
import type { Initializer, Value } from "../ir/graph.ts";
import { elements } from "../ir/types.ts";
import { decodeElements } from "./elements.ts";

/** Longer vectors are no sizes. */
const longest = 64;

/** The tensor that a value is stored as: an initializer, or the value of a Constant node. */
export function storedTensor(value: Value): Initializer | null {
  if (value.initializer) return value.initializer;
  if (value.producer?.op !== "Constant") return null;
  const constant = value.producer.attributes.get("value")?.value;
  return constant?.type === "tensor" ? constant.value : null;
}

/** Elements of a stored vector of whole numbers; null for what is computed. */
export function storedInts(value: Value): readonly number[] | null {
  const tensor = storedTensor(value);
  if (tensor) {
    const fits = /^u?int/.test(tensor.dtype) && elements(tensor.shape) <= longest;
    return fits ? [...decodeElements(tensor.dtype, materialize(tensor.data))] : null;
  }
  if (value.producer?.op !== "Constant") return null;
  const int = value.producer.int("value_int");
  return int === undefined ? (value.producer.ints("value_ints") ?? null) : [int];
}
