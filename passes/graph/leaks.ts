import type { Block } from "../../src/anatomy/anatomy.ts";
import type { Node, Value } from "../../src/ir/graph.ts";
import { nodesOf, now, type Session } from "../session.ts";

/**
 * Who reads, outside of a block, what its stream becomes inside of it: `Add (node_7)`, or a model
 * output. Such a block is not replaced by another value of its output alone.
 */
export function innerReader(session: Session, block: Block): string | null {
  const { graph } = session.model;
  const nodes = nodesOf(session, block);
  const { input, output, context } = block;
  const streams = new Set<Value>([now(session, input)]);
  if (context) streams.add(now(session, context.input));
  const ends = [output, context?.output].map((end) => end && now(session, end));
  for (const node of graph.nodes) {
    if (!nodes.has(node) || !node.inputs.some((value) => value && streams.has(value))) continue;
    for (const value of node.outputs) {
      if (!value) continue;
      streams.add(value);
      if (ends.includes(value)) continue;
      const reader = readerOutside(value, nodes);
      if (reader) return `${reader.op} (${reader.name})`;
      if (graph.outputs.includes(value)) return `the output ${value.name}`;
    }
  }
  return null;
}

function readerOutside(value: Value, nodes: ReadonlySet<Node>): Node | null {
  for (const { node } of value.uses) if (!nodes.has(node)) return node;
  return null;
}
