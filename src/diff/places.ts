/** Where a node stands, in the words of the first model's anatomy. */
import type { Anatomy, Block } from "../anatomy/anatomy.ts";
import type { Node } from "../ir/graph.ts";
import type { Matching } from "./match.ts";

interface Place {
  readonly label: string;
  readonly block: Block;
  readonly stack: string;
  /** `.attn`, or "" in no part. */
  readonly part: string;
}

function placesOf(anatomy: Anatomy): ReadonlyMap<Node, Place> {
  const places = new Map<Node, Place>();
  for (const { name: stack, blocks } of anatomy.stacks) {
    for (const block of blocks) {
      const label = `${stack}[${block.index}]`;
      for (const node of block.nodes) places.set(node, { label, block, stack, part: "" });
      for (const part of block.parts.values()) {
        const place = { label: `${label}.${part.name}`, block, stack, part: `.${part.name}` };
        for (const node of part.nodes) places.set(node, place);
      }
    }
  }
  return places;
}

/** Outside of the blocks. */
export const outside = "model";

/** Gives the place of a node of either model; indices are the first model's. */
export function locator(
  first: Anatomy,
  second: Anatomy,
  { backward }: Matching,
): { before(node: Node): string; after(node: Node): string } {
  const before = placesOf(first);
  const after = placesOf(second);
  const labelBefore = (node: Node) => before.get(node)?.label ?? outside;
  const blocks = alignBlocks(before, after, backward);
  return {
    before: labelBefore,
    after(node) {
      const match = backward.get(node);
      if (match) return labelBefore(match);
      const site = node.metadata.get("graftc.site");
      const place = after.get(node);
      if (!place) return site ?? outside;
      const block = blocks.get(place.block);
      if (block === undefined) return site ?? `${place.label} (new)`;
      const part = place.part || (/\.\w+$/.exec(site ?? "")?.[0] ?? "");
      return `${block}${part}`;
    },
  };
}

/** Below this share of nodes that match, a block is new. */
const kept = 0.25;

/** The first model's name of each block of the second: where most of its known nodes come from. */
function alignBlocks(
  before: ReadonlyMap<Node, Place>,
  after: ReadonlyMap<Node, Place>,
  backward: ReadonlyMap<Node, Node>,
): ReadonlyMap<Block, string> {
  const votes = new Map<Block, Map<string, number>>();
  for (const [node, { block }] of after) {
    const origin = before.get(backward.get(node)!);
    if (!origin) continue;
    const label = `${origin.stack}[${origin.block.index}]`;
    const counts = votes.get(block) ?? new Map<string, number>();
    votes.set(block, counts.set(label, (counts.get(label) ?? 0) + 1));
  }
  const names = new Map<Block, string>();
  for (const [block, counts] of votes) {
    const [label, count] = [...counts].reduce((best, next) => (next[1] > best[1] ? next : best));
    if (count >= kept * block.nodes.size) names.set(block, label);
  }
  return names;
}

/** Orders labels as the model runs: what is outside first, then blocks and their parts. */
export function orderOf(anatomy: Anatomy): (label: string) => number {
  const labels = anatomy.stacks.flatMap(({ name, blocks }) =>
    blocks.flatMap(({ index, parts }) => [
      `${name}[${index}]`,
      ...[...parts.keys()].map((part) => `${name}[${index}].${part}`),
    ]),
  );
  const order = new Map(labels.map((label, i) => [label, i]));
  return (label) => (label === outside ? -1 : (order.get(label) ?? labels.length));
}
