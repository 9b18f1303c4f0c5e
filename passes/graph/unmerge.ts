/** Exporters merge equal tensors, those of norms that are all ones: what then differs comes apart. */
import type { Value } from "../../src/ir/graph.ts";
import type { StoredTensor } from "../../src/onnx/index.ts";
import type { Patch } from "../../src/onnx-ops/patch.ts";
import { asStored } from "./as-stored.ts";
import { behind } from "./casts.ts";
import type { Slot } from "./state-dict.ts";

/**
 * Gives the readers of a slot an initializer of their own, called `name`.
 * @returns whether its readers are known, and read it as it is.
 */
export function unmerge(slot: Slot, name: string, tensor: StoredTensor, patch: Patch): boolean {
  const { value, layout, reads = [] } = slot;
  if (reads.length === 0 || !reads.every(({ node, index }) => handsOn(node.inputs[index], value))) {
    return false;
  }
  const { dtype, shape } = value.initializer!;
  const rival = patch.graph.values.get(name);
  if (rival) patch.evict(rival);
  const own = patch.weight(name, dtype, shape, asStored(tensor, { dtype, shape }, layout));
  for (const { node, index } of reads) patch.rewire(node, index, own);
  return true;
}

/** Whether `from` is `value`, or hands it on. */
function handsOn(from: Value | null | undefined, value: Value): boolean {
  return !!from && behind(from, ({ op }) => op === "Identity") === value;
}
