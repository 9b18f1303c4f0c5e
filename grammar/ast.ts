/**
 * The syntax tree of a `.graft` file. Plain data: every node has a `kind` and the span of text it
 * came from. Comments are not part of the tree; the printer takes them from the token stream.
 */
import type { Span } from "../src/diag/span.ts";
import type { Arg, Count, Expr, Ident, ListExpr, StringLiteral } from "./ast-expressions.ts";
import type { Selection } from "./ast-selections.ts";

export type * from "./ast-expressions.ts";
export type * from "./ast-selections.ts";

export interface File {
  readonly kind: "file";
  readonly span: Span;
  readonly statements: readonly Statement[];
}

export type Statement = Use | Param | Expect | Ensure | Edit | Operator | Rewrite | Recipe;

export interface Use {
  readonly kind: "use";
  readonly span: Span;
  readonly path: StringLiteral;
}

export interface Param {
  readonly kind: "param";
  readonly span: Span;
  readonly name: Ident;
  readonly value: Expr;
}

export interface Expect {
  readonly kind: "expect";
  readonly span: Span;
  readonly record: RecordExpr;
}

export interface Ensure {
  readonly kind: "ensure";
  readonly span: Span;
  readonly bounds: readonly Bound[];
}

export interface Bound {
  readonly span: Span;
  readonly key: Ident;
  readonly op: "<" | "<=" | "==" | ">" | ">=";
  readonly value: Expr;
}

// Edits

export type Edit = Replace | Resize | Parallelize | Remove | Repeat;

/** What may stand at the end of an edit or a rewrite. */
export interface Tail {
  readonly optional: boolean;
  /** `expect 7`: how many sites the statement must select. */
  readonly expect: { readonly count: number; readonly span: Span } | null;
}

export interface Replace {
  readonly kind: "replace";
  readonly span: Span;
  readonly target: Selection;
  readonly operator: OperatorUse;
  readonly init: Ident | null;
  readonly tail: Tail;
}

export interface OperatorUse {
  readonly span: Span;
  readonly name: Ident;
  readonly args: readonly Arg[];
}

export interface Resize {
  readonly kind: "resize";
  readonly span: Span;
  readonly target: Selection;
  /** `ratio`, `hidden` or `heads`. */
  readonly quantity: Ident;
  readonly value: Expr;
  readonly tail: Tail;
}

export interface Parallelize {
  readonly kind: "parallelize";
  readonly span: Span;
  readonly target: Selection;
  readonly by: Count;
  readonly merge: Ident | null;
  readonly tail: Tail;
}

export interface Remove {
  readonly kind: "remove";
  readonly span: Span;
  readonly target: Selection;
  readonly tail: Tail;
}

export interface Repeat {
  readonly kind: "repeat";
  readonly span: Span;
  readonly target: Selection;
  readonly times: Count;
  readonly tail: Tail;
}

// Operators

export interface Operator {
  readonly kind: "operator";
  readonly span: Span;
  readonly name: Ident;
  /** The text of the `///` lines before it, without the slashes. */
  readonly doc: string | null;
  readonly params: readonly Formal[];
  /** `for attn`; null: a helper, whose first argument is `x`. */
  readonly place: Ident | null;
  readonly body: Body;
}

export interface Formal {
  readonly span: Span;
  readonly name: Ident;
  /** int, count, natural, float, positive, bool, string or tensor. */
  readonly type: Ident;
  readonly default: Expr | null;
}

export interface Body {
  readonly span: Span;
  readonly lines: readonly Line[];
}

export type Line = Layer | Weight | Let | If | Return | Assign;

export interface Layer {
  readonly kind: "layer";
  readonly span: Span;
  readonly name: Ident;
  readonly type: Ident;
  readonly args: readonly Arg[];
  readonly from: Expr | null;
  readonly init: Expr | null;
  readonly as: StringLiteral | null;
}

export interface Weight {
  readonly kind: "weight";
  readonly span: Span;
  readonly name: Ident;
  readonly shape: ListExpr;
  readonly value: Expr;
  readonly from: Expr | null;
  readonly as: StringLiteral | null;
}

export interface Let {
  readonly kind: "let";
  readonly span: Span;
  readonly assign: Assign;
}

export interface If {
  readonly kind: "if";
  readonly span: Span;
  readonly condition: Expr;
  readonly then: Body;
  readonly else: Body | If | null;
}

export interface Return {
  readonly kind: "return";
  readonly span: Span;
  readonly values: readonly Expr[];
}

/** `a, b = expr`. */
export interface Assign {
  readonly kind: "assign";
  readonly span: Span;
  readonly names: readonly Ident[];
  readonly value: Expr;
}

// Rewrites

export interface Rewrite {
  readonly kind: "rewrite";
  readonly span: Span;
  readonly name: Ident;
  readonly in: Selection | null;
  readonly matches: readonly PatternAssign[];
  readonly where: Expr | null;
  readonly with: readonly Assign[];
  readonly tail: Tail;
}

export interface PatternAssign {
  readonly span: Span;
  readonly names: readonly Ident[];
  readonly pattern: Pattern;
}

export type Pattern =
  | { readonly kind: "alternatives"; readonly span: Span; readonly options: readonly Pattern[] }
  | { readonly kind: "number"; readonly span: Span; readonly value: number }
  | { readonly kind: "string"; readonly span: Span; readonly value: string }
  | { readonly kind: "numbers"; readonly span: Span; readonly values: readonly number[] }
  | { readonly kind: "binding"; readonly span: Span; readonly name: string }
  | OpPattern;

/** `Op(a, axis: 1)`, `com.microsoft::FastGelu(x)`, `Op?(x)`. */
export interface OpPattern {
  readonly kind: "op";
  readonly span: Span;
  readonly domain: string;
  readonly op: Ident;
  readonly optional: boolean;
  readonly args: readonly { readonly name: Ident | null; readonly value: Pattern }[];
}

// Recipes

export interface Recipe {
  readonly kind: "recipe";
  readonly span: Span;
  readonly stage: "distill" | "finetune";
  readonly record: RecordExpr;
}

export interface RecordExpr {
  readonly kind: "record";
  readonly span: Span;
  readonly entries: readonly Entry[];
}

export interface Entry {
  readonly span: Span;
  readonly key: Ident;
  readonly value: Expr | RecordExpr | TrainSelection;
}

/** `all + "pos_embed" + blocks[3].attn`, the value of `train`. */
export interface TrainSelection {
  readonly kind: "train";
  readonly span: Span;
  readonly terms: readonly (Selection | { readonly kind: "all"; readonly span: Span })[];
}
