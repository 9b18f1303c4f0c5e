/** What an edit is about: a module scope, or a stack, indices and a part. */
import type { Span } from "../src/diag/span.ts";
import type { Count, Expr, Ident, PercentLiteral } from "./ast-expressions.ts";

export type Selection = ScopeSelection | PathSelection;

/** `"encoder.layer.*.attention.self"`: by module scope. */
export interface ScopeSelection {
  readonly kind: "scope";
  readonly span: Span;
  readonly pattern: string;
}

/** `encoder.blocks[odd].attn`: `stack` = [encoder, blocks], `index`, `part` = [attn]. */
export interface PathSelection {
  readonly kind: "path";
  readonly span: Span;
  readonly stack: readonly Ident[];
  readonly index: Index | null;
  readonly part: readonly Ident[];
}

export type Index =
  | { readonly kind: "all"; readonly span: Span; readonly except: readonly IndexItem[] }
  | { readonly kind: "odd" | "even"; readonly span: Span }
  | { readonly kind: "first" | "last"; readonly span: Span; readonly share: Share }
  | {
      readonly kind: "top" | "bottom";
      readonly span: Span;
      readonly share: Share;
      readonly measure: Expr;
    }
  | { readonly kind: "where"; readonly span: Span; readonly condition: Expr }
  | { readonly kind: "items"; readonly span: Span; readonly items: readonly IndexItem[] };

/** `3`, `5..9`, `1..27 by 2`; ranges include both ends. */
export interface IndexItem {
  readonly span: Span;
  readonly from: Expr;
  readonly to: Expr | null;
  readonly by: Count | null;
}

export type Share = Count | PercentLiteral;
