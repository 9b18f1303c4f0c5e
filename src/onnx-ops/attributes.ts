import type { Bytes } from "../ir/bytes.ts";
import { type Attribute, type AttributeValue, Graph } from "../ir/graph.ts";
import type { DType } from "../ir/types.ts";

/** How code writes an attribute: `axis: 1` is an int, `epsilon: float(1e-5)` a float. */
export type AttributeInput =
  | number
  | string
  | readonly number[]
  | { readonly float: number }
  | { readonly floats: readonly number[] }
  | { readonly strings: readonly string[] }
  | Graph
  | { readonly dtype: DType; readonly shape: readonly number[]; readonly data: Bytes };

export function float(value: number): { readonly float: number } {
  return { float: value };
}

function attributeValue(input: AttributeInput): AttributeValue {
  if (typeof input === "number") return { type: "int", value: BigInt(input) };
  if (typeof input === "string") return { type: "string", value: new TextEncoder().encode(input) };
  if (input instanceof Graph) return { type: "graph", value: input };
  if ("float" in input) return { type: "float", value: input.float };
  if ("floats" in input) return { type: "floats", value: input.floats };
  if ("strings" in input) {
    return { type: "strings", value: input.strings.map((text) => new TextEncoder().encode(text)) };
  }
  if ("dtype" in input) {
    return { type: "tensor", value: { ...input, name: "", origin: null, metadata: new Map() } };
  }
  return { type: "ints", value: input.map(BigInt) };
}

export function attributesOf(
  inputs: Readonly<Record<string, AttributeInput>>,
): Map<string, Attribute> {
  return new Map(
    Object.entries(inputs).map(([name, input]) => [
      name,
      { name, value: attributeValue(input), origin: null },
    ]),
  );
}
