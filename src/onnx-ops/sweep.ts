import { removeInitializer, removeNodes } from "../ir/edit.ts";
import type { Graph, Node, Use, Value } from "../ir/graph.ts";
import { readsOf } from "../ir/order.ts";

/** Changes that are still to be made when orphans are looked for. */
export interface Pending {
  /** Uses that will read something else. */
  readonly moved: ReadonlySet<Use>;
  /** Outputs of the graph that will be other values. */
  readonly replaced: ReadonlySet<Value>;
  /** Values that get new readers. */
  readonly read: ReadonlySet<Value | null>;
}

export interface Orphans {
  readonly nodes: ReadonlySet<Node>;
  /** What they define, and initializers that they alone read. */
  readonly values: ReadonlySet<Value>;
}

/** What nobody needs once nobody reads these values. Nodes that were dead before stay. */
export function findOrphans(graph: Graph, start: readonly Value[], pending?: Pending): Orphans {
  const outputs = new Set(graph.outputs.filter((value) => !pending?.replaced.has(value)));
  const nodes = new Set<Node>();
  const values = new Set<Value>();
  const idle = (value: Value) =>
    !outputs.has(value) &&
    !pending?.read.has(value) &&
    [...value.uses].every((use) => nodes.has(use.node) || pending?.moved.has(use));
  const open = [...start];
  for (let value = open.pop(); value; value = open.pop()) {
    if (!idle(value)) continue;
    const { producer } = value;
    if (value.initializer) values.add(value);
    if (!producer || producer.graph !== graph || nodes.has(producer)) continue;
    if (!producer.outputs.every((output) => !output || idle(output))) continue;
    nodes.add(producer);
    for (const output of producer.outputs) if (output) values.add(output);
    open.push(...readsOf(producer));
  }
  return { nodes, values };
}

/** Removes these values' producers, and what only they needed, as far as nobody reads it. */
export function sweep(graph: Graph, values: readonly Value[]): void {
  const orphans = findOrphans(graph, values);
  for (const value of orphans.values) if (value.initializer) removeInitializer(graph, value);
  removeNodes(graph, orphans.nodes);
}

/** The nodes that these values are computed by; of `among` alone, where that is given. */
export function producersOf(values: readonly Value[], among?: ReadonlySet<Node>): Set<Node> {
  const found = new Set<Node>();
  const open = [...values];
  for (let value = open.pop(); value; value = open.pop()) {
    const { producer } = value;
    if (!producer || found.has(producer) || among?.has(producer) === false) continue;
    found.add(producer);
    open.push(...readsOf(producer));
  }
  return found;
}
