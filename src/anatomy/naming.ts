/** Names of stacks, and scopes of blocks and parts. */
import type { Node } from "../ir/graph.ts";
import type { Block, Part } from "./anatomy.ts";
import { blockScopes, scopeOf, sharedScope } from "./scopes.ts";

/** Scopes of a stack's blocks from the nodes of their projections; "" where there is no evidence. */
export function scopesOfBlocks(projections: readonly (readonly Node[])[]): string[] {
  return blockScopes(projections.map((nodes) => sharedScope(nodes.map(scopeOf))));
}

/** The longest path that the projections share, or `<block>.<part>` where that says no more. */
export function scopeOfPart(
  part: string,
  projections: Iterable<Node>,
  block: { readonly scope: string; readonly label: string },
): string {
  const shared = sharedScope([...projections].map(scopeOf)).join(".");
  const outer = block.scope === "" ? block.label : block.scope;
  const inside = block.scope === "" || shared.startsWith(`${block.scope}.`);
  return shared !== "" && inside && shared !== block.scope ? shared : `${outer}.${part}`;
}

interface Place {
  readonly stack: { readonly name: string };
  readonly block: Pick<Block, "scope" | "index">;
  /** null: the whole block. */
  readonly part: Pick<Part, "scope"> | null;
}

/** What names of weights at a place start with. */
export function scopeAt(place: Place): string {
  return place.part?.scope ?? scopeOfBlock(place);
}

/** The module path of a block; its place where the model has no scopes. */
export function scopeOfBlock({ stack, block }: Omit<Place, "part">): string {
  return block.scope || `${stack.name}.${block.index}`;
}

/**
 * A sole stack is `blocks`; of several, the path of the module that holds the blocks with its last
 * step replaced by `blocks` where that stays unique, else the path itself.
 */
export function stackNames(scopes: readonly (readonly string[])[]): string[] {
  if (scopes.length === 1) return ["blocks"];
  const paths = scopes.map(holderOf);
  const short = paths.map((path) => path.replace(/[^.]+$/, "blocks"));
  const unique = (name: string, all: readonly string[]) =>
    name !== "" && all.indexOf(name) === all.lastIndexOf(name);
  const used = new Set<string>();
  return paths.map((path, i) => {
    const wanted = unique(short[i]!, short) ? short[i]! : path || "blocks";
    let name = wanted;
    for (let n = 2; used.has(name); n++) name = `${wanted}${n}`;
    used.add(name);
    return name;
  });
}

/** `encoder.layer` of blocks `encoder.layer.0`, `encoder.layer.1`. */
function holderOf(scopes: readonly string[]): string {
  const shared = sharedScope(scopes.map((scope) => scope.split(".").filter((step) => step !== "")));
  if (scopes.length === 1 && /^\d+$/.test(shared.at(-1) ?? "")) shared.pop();
  return shared.join(".");
}
