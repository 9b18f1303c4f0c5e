/** Which weights are a part's own, and which it only borrows. */
import type { Anatomy, Block, Part } from "../anatomy/anatomy.ts";
import type { Node, Value } from "../ir/graph.ts";
import { elements } from "../ir/types.ts";
import { isParameter } from "../measure/index.ts";

export interface OwnParameters {
  ofPart(part: Part): number;
  ofBlock(block: Block): number;
}

/**
 * A part owns the weights that only it reads, or only it and its namesakes in other blocks (shared
 * layers): a vector of ones that all norms of the model share is nobody's. Single numbers are
 * constants of the computation.
 */
export function ownParameters({ stacks }: Anatomy): OwnParameters {
  const roles = new Map<Node, Set<string>>();
  const blockRoles = new Map<Node, Set<string>>();
  for (const { name, blocks } of stacks) {
    for (const block of blocks) {
      for (const node of block.nodes) addTo(blockRoles, node, name);
      for (const part of block.parts.values()) {
        for (const node of part.nodes) addTo(roles, node, `${name}.${part.name}`);
      }
    }
  }
  return {
    ofPart: ({ nodes }) => countOwn(nodes, roles),
    ofBlock: ({ nodes }) => countOwn(nodes, blockRoles),
  };
}

function addTo(map: Map<Node, Set<string>>, node: Node, role: string): void {
  const known = map.get(node);
  if (known) known.add(role);
  else map.set(node, new Set([role]));
}

function countOwn(nodes: ReadonlySet<Node>, roles: ReadonlyMap<Node, ReadonlySet<string>>): number {
  const weights = new Set<Value>();
  for (const node of nodes) for (const value of node.inputs) if (value) weights.add(value);
  let count = 0;
  for (const value of weights) {
    const { initializer, uses } = value;
    if (!initializer || !isParameter(initializer) || elements(initializer.shape) < 2) continue;
    const readers = [...uses].map(({ node }) => [...(roles.get(node) ?? [""])].join());
    if (new Set(readers).size === 1 && readers[0] !== "") count += elements(initializer.shape);
  }
  return count;
}
