import type { Block } from "../../src/anatomy/anatomy.ts";
import { producersOf } from "../../src/onnx-ops/sweep.ts";
import { nodesOf, now, type Session } from "../session.ts";
import { aliasesOf } from "./casts.ts";

/**
 * Who reads, outside of a block, what its stream becomes inside of it: `Add (node_7)`, or a model
 * output. A block that leaves would leave that reader with nothing. Readers of sizes alone, and those
 * whose results nobody uses, do not count.
 */
export function innerReader(session: Session, block: Block): string | null {
  const { graph } = session.model;
  const nodes = nodesOf(session, block);
  const { input, output, context } = block;
  const entries = context ? [input, context.input] : [input];
  const same = new Set(entries.flatMap((entry) => aliasesOf(now(session, entry), nodes)));
  const streams = new Set(same);
  // What nothing but the block reads, as a value whose type a CastLike takes, leaves with it.
  const others = new Set(graph.nodes.filter((node) => !nodes.has(node)));
  const live = producersOf(graph.outputs, others);
  const ends = [output, context?.output].map((end) => end && now(session, end));
  for (const node of graph.nodes) {
    if (!nodes.has(node) || !node.inputs.some((value) => value && streams.has(value))) continue;
    for (const value of node.outputs) {
      if (!value) continue;
      streams.add(value);
      if (ends.includes(value) || same.has(value)) continue;
      const reader = [...value.uses].find(
        ({ node }) => node.op !== "Shape" && live.has(node),
      )?.node;
      if (reader) return `${reader.op} (${reader.name})`;
      if (graph.outputs.includes(value)) return `the output ${value.name}`;
    }
  }
  return null;
}
