import type { Value } from "../ir/graph.ts";

/** Values that count as given: gradients end at them. */
const detached = new WeakSet<Value>();

export function markDetached(value: Value): void {
  detached.add(value);
}

export function isDetached(value: Value): boolean {
  return detached.has(value);
}
