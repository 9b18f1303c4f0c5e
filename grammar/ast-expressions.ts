/** Expressions, wherever the language has them: arguments, sizes, bounds, bodies of operators. */
import type { Span } from "../src/diag/span.ts";

/** A name and where it stands. */
export interface Ident {
  readonly name: string;
  readonly span: Span;
}

export interface Arg {
  readonly span: Span;
  readonly name: Ident | null;
  readonly value: Expr;
}

export type Expr =
  | NumberLiteral
  | PercentLiteral
  | StringLiteral
  | NameExpr
  | ListExpr
  | Unary
  | Binary
  | Member
  | Call
  | Subscript;

export interface NumberLiteral {
  readonly kind: "number";
  readonly span: Span;
  readonly value: number;
  /** Written without point, exponent or suffix. */
  readonly integer: boolean;
}

/** `50%` has value 0.5. */
export interface PercentLiteral {
  readonly kind: "percent";
  readonly span: Span;
  readonly value: number;
}

export interface StringLiteral {
  readonly kind: "string";
  readonly span: Span;
  readonly value: string;
}

/** `x`, `Softmax`, `com.microsoft::FastGelu`, `true`, `none`. */
export interface NameExpr {
  readonly kind: "name";
  readonly span: Span;
  readonly domain: string;
  readonly name: string;
}

export interface ListExpr {
  readonly kind: "list";
  readonly span: Span;
  readonly items: readonly Expr[];
}

export interface Unary {
  readonly kind: "unary";
  readonly span: Span;
  readonly op: "-" | "not";
  readonly operand: Expr;
}

export type BinaryOp =
  | "+"
  | "-"
  | "*"
  | "/"
  | "@"
  | "**"
  | "<"
  | "<="
  | ">"
  | ">="
  | "=="
  | "!="
  | "and"
  | "or";

export interface Binary {
  readonly kind: "binary";
  readonly span: Span;
  readonly op: BinaryOp;
  readonly left: Expr;
  readonly right: Expr;
}

export interface Member {
  readonly kind: "member";
  readonly span: Span;
  readonly object: Expr;
  readonly name: Ident;
}

export interface Call {
  readonly kind: "call";
  readonly span: Span;
  readonly callee: Expr;
  readonly args: readonly Arg[];
}

/** `x[.., 0:4]`: Python's slices, half-open. */
export interface Subscript {
  readonly kind: "subscript";
  readonly span: Span;
  readonly object: Expr;
  readonly items: readonly SliceItem[];
}

export type SliceItem =
  | { readonly kind: "ellipsis"; readonly span: Span }
  | {
      readonly kind: "slice";
      readonly span: Span;
      readonly from: Expr | null;
      readonly to: Expr | null;
    }
  | { readonly kind: "index"; readonly span: Span; readonly value: Expr };

/** A whole number, or the name of a param. */
export type Count = NumberLiteral | NameExpr;
