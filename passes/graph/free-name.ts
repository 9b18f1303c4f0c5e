import type { Patch } from "../../src/onnx-ops/patch.ts";

/** The name, with a number where a value or a new weight has it already. */
export function freeName({ graph, weights }: Patch, name: string): string {
  const taken = (each: string) => graph.values.has(each) || weights.has(each);
  for (let i = 1, each = name; ; i++, each = `${name}_${i}`) if (!taken(each)) return each;
}
