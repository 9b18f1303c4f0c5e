import type * as ast from "../../grammar/ast.ts";

/** Whether a name occurs in an expression anywhere in an operator's body. */
export function mentions(body: ast.Body, name: string): boolean {
  return some(body, (node) => node.kind === "name" && node.name === name);
}

/**
 * The strings that a parameter may be, where the body does nothing with it but compare it with
 * some; null where it does more.
 */
export function choicesOf({ body }: ast.Operator, { name, default: usual }: ast.Formal) {
  const isName = (node: unknown) =>
    (node as Tree)?.kind === "name" && (node as Tree).name === name.name;
  const choices = new Set<string>();
  let compared = 0;
  let mentioned = 0;
  some(body, (node) => {
    if (isName(node)) mentioned++;
    if (node.kind !== "binary") return false;
    const { op, left, right } = node as ast.Binary;
    const other = isName(left) ? right : isName(right) ? left : null;
    if (other?.kind !== "string" || (op !== "==" && op !== "!=")) return false;
    choices.add(other.value);
    compared++;
    return false;
  });
  if (compared === 0 || compared < mentioned) return null;
  if (usual?.kind === "string") choices.add(usual.value);
  return [...choices].sort();
}

type Tree = { readonly kind?: string; readonly name?: unknown };

function some(tree: unknown, holds: (node: Tree) => boolean): boolean {
  if (Array.isArray(tree)) return tree.some((item) => some(item, holds));
  if (typeof tree !== "object" || tree === null) return false;
  if (holds(tree)) return true;
  return Object.entries(tree).some(([key, child]) => key !== "span" && some(child, holds));
}
