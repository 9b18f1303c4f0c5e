import {
  EmbeddedActionsParser,
  type IParserConfig,
  type IToken,
  type ParserMethod,
  type TokenType,
} from "chevrotain";
import { Reporter } from "../src/diag/diagnostic.ts";
import type { SourceText, Span } from "../src/diag/span.ts";
import type * as ast from "./ast.ts";
import { ident, numberLiteral, percentLiteral, reportTwins, stringLiteral } from "./ast-builder.ts";
import { LookaheadOnDemand } from "./lookahead.ts";
import { endOf, t, vocabulary } from "./tokens.ts";

const maxLookahead = 2;

type Rule<T> = ParserMethod<[], T>;

/** The rules of expressions. Each rule's name is its name in the grammar, and in expectations.ts. */
export class ExpressionParser extends EmbeddedActionsParser {
  protected source: SourceText = { path: "", text: "" };
  protected reporter: Reporter = new Reporter();

  constructor(config: IParserConfig) {
    const lookaheadStrategy = new LookaheadOnDemand({ maxLookahead });
    super(vocabulary, { lookaheadStrategy, maxLookahead, recoveryEnabled: false, ...config });
  }

  /** From `first` to the token consumed last. */
  protected since(first: IToken): Span {
    return { source: this.source, start: first.startOffset, end: endOf(this.LA(0)) };
  }

  protected string(token: IToken): ast.StringLiteral {
    return stringLiteral(this.source, token, this.reporter);
  }

  protected number(token: IToken): ast.NumberLiteral {
    return numberLiteral(this.source, token, this.reporter);
  }

  protected percent(token: IToken): ast.PercentLiteral {
    return percentLiteral(this.source, token, this.reporter);
  }

  readonly ident = this.RULE("ident", (): ast.Ident => ident(this.source, this.CONSUME(t.Name)));

  readonly expr = this.RULE("expr", () => this.leftward(this.conjunction, t.or));
  readonly conjunction = this.RULE("conjunction", () => this.leftward(this.negation, t.and));
  readonly sum = this.RULE("sum", () => this.leftward(this.product, t.Additive));
  readonly product = this.RULE("product", () => this.leftward(this.unary, t.Multiplicative));

  /** operand { operator operand }: a - b - c is (a - b) - c. */
  private leftward(operand: Rule<ast.Expr>, operator: TokenType): ast.Expr {
    const first = this.LA(1);
    let left = this.SUBRULE1(operand);
    this.MANY(() => {
      const op = this.CONSUME(operator).image as ast.BinaryOp;
      const right = this.SUBRULE2(operand);
      left = { kind: "binary", span: this.since(first), op, left, right };
    });
    return left;
  }

  readonly negation = this.RULE("negation", (): ast.Expr => {
    const nots: IToken[] = [];
    this.MANY(() => {
      nots.push(this.CONSUME(t.not));
    });
    const operand = this.SUBRULE(this.comparison);
    return nots.reduceRight(
      (inner, not) => ({ kind: "unary", span: this.since(not), op: "not", operand: inner }),
      operand,
    );
  });

  readonly comparison = this.RULE("comparison", (): ast.Expr => {
    const first = this.LA(1);
    let left = this.SUBRULE1(this.sum);
    this.OPTION(() => {
      const op = this.CONSUME(t.Comparison).image as ast.BinaryOp;
      const right = this.SUBRULE2(this.sum);
      left = { kind: "binary", span: this.since(first), op, left, right };
    });
    return left;
  });

  /** -a ** b is -(a ** b), and a ** -b ** c is a ** -(b ** c). */
  readonly unary = this.RULE("unary", (): ast.Expr => {
    const minuses: IToken[] = [];
    this.MANY(() => {
      minuses.push(this.CONSUME(t["-"]));
    });
    const start = this.LA(1);
    let operand = this.SUBRULE1(this.postfix);
    this.OPTION(() => {
      this.CONSUME(t["**"]);
      const right = this.SUBRULE2(this.unary);
      operand = { kind: "binary", span: this.since(start), op: "**", left: operand, right };
    });
    return minuses.reduceRight(
      (inner, minus) => ({ kind: "unary", span: this.since(minus), op: "-", operand: inner }),
      operand,
    );
  });

  readonly postfix = this.RULE("postfix", (): ast.Expr => {
    const first = this.LA(1);
    let object = this.SUBRULE(this.atom);
    this.MANY(() => {
      object = this.OR<ast.Expr>([
        {
          ALT: () => {
            this.CONSUME(t["."]);
            const name = ident(this.source, this.CONSUME(t.Word));
            return { kind: "member", object, name, span: this.since(first) };
          },
        },
        {
          ALT: () => {
            const args = this.SUBRULE(this.args);
            return { kind: "call", callee: object, args, span: this.since(first) };
          },
        },
        {
          ALT: () => {
            const items = this.SUBRULE(this.subscript);
            return { kind: "subscript", object, items, span: this.since(first) };
          },
        },
      ]);
    });
    return object;
  });

  readonly args = this.RULE("args", (): ast.Arg[] => {
    const args: ast.Arg[] = [];
    this.CONSUME(t["("]);
    this.MANY_SEP({ SEP: t[","], DEF: () => args.push(this.SUBRULE(this.arg)) });
    this.CONSUME(t[")"]);
    this.ACTION(() =>
      reportTwins(
        args.map((arg) => arg.name),
        this.reporter,
      ),
    );
    return args;
  });

  readonly arg = this.RULE("arg", (): ast.Arg => {
    const first = this.LA(1);
    const name = this.OPTION(() => {
      const word = this.CONSUME(t.Word);
      this.CONSUME(t[":"]);
      return ident(this.source, word);
    });
    const value = this.SUBRULE(this.expr);
    return { name: name ?? null, value, span: this.since(first) };
  });

  readonly subscript = this.RULE("subscript", (): ast.SliceItem[] => {
    const items: ast.SliceItem[] = [];
    this.CONSUME(t["["]);
    this.AT_LEAST_ONE_SEP({ SEP: t[","], DEF: () => items.push(this.SUBRULE(this.slice)) });
    this.CONSUME(t["]"]);
    return items;
  });

  readonly slice = this.RULE("slice", (): ast.SliceItem => {
    const first = this.LA(1);
    return this.OR<ast.SliceItem>([
      {
        ALT: () => {
          this.CONSUME(t[".."]);
          return { kind: "ellipsis", span: this.since(first) };
        },
      },
      {
        ALT: () => {
          this.CONSUME1(t[":"]);
          const to = this.OPTION1(() => this.SUBRULE1(this.expr)) ?? null;
          return { kind: "slice", from: null, to, span: this.since(first) };
        },
      },
      {
        ALT: () => {
          const value = this.SUBRULE2(this.expr);
          let item: ast.SliceItem = { kind: "index", value, span: this.since(first) };
          this.OPTION2(() => {
            this.CONSUME2(t[":"]);
            const to = this.OPTION3(() => this.SUBRULE3(this.expr)) ?? null;
            item = { kind: "slice", from: value, to, span: this.since(first) };
          });
          return item;
        },
      },
    ]);
  });

  readonly atom = this.RULE("atom", (): ast.Expr => {
    const first = this.LA(1);
    return this.OR<ast.Expr>([
      { ALT: () => this.number(this.CONSUME(t.Number)) },
      { ALT: () => this.percent(this.CONSUME(t.Percent)) },
      { ALT: () => this.string(this.CONSUME(t.String)) },
      { ALT: () => this.SUBRULE(this.list) },
      {
        ALT: () => {
          this.CONSUME(t["("]);
          const inner = this.SUBRULE(this.expr);
          this.CONSUME(t[")"]);
          return { ...inner, span: this.since(first) };
        },
      },
      { ALT: () => this.SUBRULE(this.reference) },
    ]);
  });

  readonly reference = this.RULE("reference", (): ast.NameExpr => {
    const first = this.LA(1);
    const domain = this.OPTION(() => domainOf(this.CONSUME(t.Domain))) ?? "";
    const name = this.CONSUME(t.Name).image;
    return { kind: "name", domain, name, span: this.since(first) };
  });

  readonly list = this.RULE("list", (): ast.ListExpr => {
    const first = this.LA(1);
    const items: ast.Expr[] = [];
    this.CONSUME(t["["]);
    this.MANY_SEP({ SEP: t[","], DEF: () => items.push(this.SUBRULE(this.expr)) });
    this.CONSUME(t["]"]);
    return { kind: "list", items, span: this.since(first) };
  });
}

/** `com.microsoft::` without the colons. */
export function domainOf(token: IToken): string {
  return token.image.slice(0, -2);
}
