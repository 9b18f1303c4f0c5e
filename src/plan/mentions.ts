import type * as ast from "../../grammar/ast.ts";

/** Whether a name occurs in an expression anywhere in an operator's body. */
export function mentions(body: ast.Body, name: string): boolean {
  return some(body, (node) => node.kind === "name" && node.name === name);
}

type Tree = { readonly kind?: string; readonly name?: unknown };

function some(tree: unknown, holds: (node: Tree) => boolean): boolean {
  if (Array.isArray(tree)) return tree.some((item) => some(item, holds));
  if (typeof tree !== "object" || tree === null) return false;
  if (holds(tree)) return true;
  return Object.entries(tree).some(([key, child]) => key !== "span" && some(child, holds));
}
