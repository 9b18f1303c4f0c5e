/** Names of stacks, and scopes of blocks and parts. */
import type { Node } from "../ir/graph.ts";
import type { Block, Part, Stack } from "./anatomy.ts";
import { aligned, blockScopes, isIndex, scopeOf, sharedScope } from "./scopes.ts";

/** Scopes of a stack's blocks from the nodes of their projections; "" where there is no evidence. */
export function scopesOfBlocks(projections: readonly (readonly Node[])[]): string[] {
  return blockScopes(projections.map((nodes) => sharedScope(nodes.map(scopeOf))));
}

/** The longest path that the projections share, or `<block>.<part>` where that says no more. */
export function scopeOfPart(
  part: string,
  projections: Iterable<Node>,
  block: Pick<Block, "scope" | "prefix">,
): string {
  const own = sharedByAll([...projections].map(scopeOf));
  const shared = aligned([block.scope.split("."), own])[1]!.join(".");
  const inside = block.scope === "" || shared.startsWith(`${block.scope}.`);
  return shared !== "" && inside && shared !== block.scope ? shared : `${block.prefix}.${part}`;
}

/** The path of one projection alone is not what others of no known path share with it. */
function sharedByAll(paths: readonly (readonly string[])[]): string[] {
  const shared = sharedScope(paths);
  const known = paths.filter((path) => path.length > 0);
  if (known.length === paths.length || known.some((path) => path.length > shared.length)) {
    return shared;
  }
  return shared.slice(
    0,
    shared.findLastIndex((step) => !isIndex(step)),
  );
}

/**
 * Parts of several blocks that one module computes (tied layers) have one path: names that start
 * with it would be those of all of them.
 */
export function tellPartsApart(stacks: readonly Stack[]): Stack[] {
  const places = stacks.flatMap(({ blocks }) =>
    blocks.flatMap(({ prefix, parts }) => [...parts.values()].map((part) => ({ prefix, part }))),
  );
  const scopes = distinct(
    places.map(({ part }) => part.scope),
    places.map(({ prefix, part }) => `${prefix}.${part.name}`),
  );
  const scopeOfEach = new Map(places.map(({ part }, i) => [part, scopes[i]!]));
  const renamed = (parts: Block["parts"]) =>
    new Map([...parts].map(([name, part]) => [name, { ...part, scope: scopeOfEach.get(part)! }]));
  return stacks.map((stack) => ({
    ...stack,
    blocks: stack.blocks.map((block) => ({ ...block, parts: renamed(block.parts) })),
  }));
}

/** Each name that is the only one of its kind, and stand-ins, unique by themselves, for the others. */
export function distinct(names: readonly string[], standIns: readonly string[]): string[] {
  const seen = new Set<string>();
  const twice = new Set(names.filter((name) => name === "" || seen.size === seen.add(name).size));
  if (twice.size === 0) return [...names];
  return distinct(
    names.map((name, i) => (twice.has(name) ? standIns[i]! : name)),
    standIns,
  );
}

interface Place {
  readonly block: Pick<Block, "prefix">;
  /** null: the whole block. */
  readonly part: Pick<Part, "scope"> | null;
}

/** What names of weights at a place start with. */
export function scopeAt({ block, part }: Place): string {
  return part?.scope ?? block.prefix;
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

/** `encoder.layer` of blocks `encoder.layer.0`, `encoder.layer.1`, even if only one has a scope. */
function holderOf(scopes: readonly string[]): string {
  const known = scopes.filter((scope) => scope !== "");
  const shared = sharedScope(known.map((scope) => scope.split(".").filter((step) => step !== "")));
  if (known.length === 1 && isIndex(shared.at(-1))) shared.pop();
  return shared.join(".");
}
