import type * as ast from "../../grammar/ast.ts";

/** Whether a name occurs in an expression anywhere in an operator's body. */
export function mentions(body: ast.Body, name: string): boolean {
  return some(body, (node) => node.kind === "name" && node.name === name);
}

/**
 * The strings that a parameter may be: those of an `if` with several branches and no `else`, where
 * the body does nothing but compare; null where any other string has a meaning too.
 */
export function choicesOf({ body }: ast.Operator, { name, default: usual }: ast.Formal) {
  const choices = new Map<ast.Expr, string>();
  let mentioned = 0;
  some(body, (node) => {
    if (node.kind === "name" && node.name === name.name) mentioned++;
    if (node.kind !== "if") return false;
    const conditions = closedBranches(node as ast.If);
    const texts = conditions.flatMap((each) => comparedWith(each, name.name) ?? []);
    if (texts.length < 2 || texts.length < conditions.length) return false;
    conditions.forEach((each, i) => {
      choices.set(each, texts[i]!);
    });
    return false;
  });
  if (choices.size === 0 || choices.size < mentioned) return null;
  const own = usual?.kind === "string" ? [usual.value] : [];
  return [...new Set([...choices.values(), ...own])].sort();
}

/** The conditions of an `if` and its `else if`s; none where an `else` catches the rest. */
function closedBranches(branch: ast.If): ast.Expr[] {
  const conditions: ast.Expr[] = [];
  for (let each: ast.If | ast.Body | null = branch; each; each = each.else) {
    if (!("condition" in each)) return [];
    conditions.push(each.condition);
  }
  return conditions;
}

/** `"a"` of `name == "a"`. */
function comparedWith(expr: ast.Expr, name: string): string | undefined {
  if (expr.kind !== "binary" || expr.op !== "==") return undefined;
  const { left, right } = expr;
  const [named, text] = left.kind === "name" ? [left, right] : [right, left];
  const holds = named.kind === "name" && named.name === name && text.kind === "string";
  return holds ? text.value : undefined;
}

type Tree = { readonly kind?: string; readonly name?: unknown };

function some(tree: unknown, holds: (node: Tree) => boolean): boolean {
  if (Array.isArray(tree)) return tree.some((item) => some(item, holds));
  if (typeof tree !== "object" || tree === null) return false;
  if (holds(tree)) return true;
  return Object.entries(tree).some(([key, child]) => key !== "span" && some(child, holds));
}
