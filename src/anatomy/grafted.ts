/**
 * What graftc wrote on the nodes of earlier edits: which operator stands there, and for which part.
 * An operator may be anything (no projections, no norm where one was), so that structure alone does
 * not tell where it begins and what it stands for.
 */
import type { Node } from "../ir/graph.ts";

export interface Graft {
  readonly operator: string;
  /** `attn`, `context_mlp`, ...; null where the operator took a block's place. */
  readonly part: string | null;
}

/** Edits that place no operator leave their verb instead; `unfuse` is of what they needed apart. */
const verbs: ReadonlySet<string> = new Set([
  "resize",
  "parallelize",
  "remove",
  "repeat",
  "rewrite",
  "unfuse",
]);

/** The operator that a node is of; null for nodes of the model and of edits that place none. */
export function graftOf({ metadata }: Node): Graft | null {
  const operator = metadata.get("graftc.operator");
  if (operator === undefined || verbs.has(operator)) return null;
  const site = metadata.get("graftc.site");
  return site === undefined ? null : { operator, part: /\.([a-z]\w*)$/.exec(site)?.[1] ?? null };
}

/** Which edit of which block put a node there that belongs to a block's whole operator. */
export function graftedBlock(node: Node): string | null {
  const graft = graftOf(node);
  if (!graft || graft.part) return null;
  return `${node.metadata.get("graftc.site")} ${node.metadata.get("graftc.edit")}`;
}

/** Whether a node is of an operator in the place of a branch. */
export function isGrafted({ place }: { readonly place: Node }): boolean {
  return graftedBranch(place) !== null;
}

/** The branch of a block that a node's operator stands for. */
export function graftedBranch(node: Node): "attn" | "cross" | "mlp" | null {
  const kind = branchKind(graftOf(node)?.part ?? "");
  return kind === "cross_attn" ? "cross" : kind;
}

/** `mlp` of the part `context_mlp2`; null for norms. */
export function branchKind(part: string): "attn" | "cross_attn" | "mlp" | null {
  const [, kind] = /^(?:context_)?(attn|cross_attn|mlp)\d*$/.exec(part) ?? [];
  return (kind as ReturnType<typeof branchKind> | undefined) ?? null;
}
