/** The names that anatomy gives to the parts of a block, as far as they tell without a model. */

/** What a part of this name is: `norm2` is a norm, `context_mlp` an mlp. */
export type PartKind = "attn" | "cross_attn" | "mlp" | "norm";

export const usualParts: readonly string[] = [
  "attn",
  "attn2",
  "cross_attn",
  "mlp",
  "norm1",
  "norm2",
  "context_mlp",
  "context_norm1",
];

/** null: no part of any block has such a name. */
export function partKind(name: string): PartKind | null {
  const [, kind] = /^(?:context_)?(attn|cross_attn|mlp|norm)\d*$/.exec(name) ?? [];
  return (kind as PartKind | undefined) ?? null;
}
