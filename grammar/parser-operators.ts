import type { IToken } from "chevrotain";
import type * as ast from "./ast.ts";
import { ident, reportTwins } from "./ast-builder.ts";
import { EditParser } from "./parser-edits.ts";
import { domainOf } from "./parser-expressions.ts";
import { t } from "./tokens.ts";

/** The rules of what is written in operators and rewrites. */
export class OperatorParser extends EditParser {
  readonly formals = this.RULE("formals", (): ast.Formal[] => {
    const formals: ast.Formal[] = [];
    this.CONSUME(t["("]);
    this.MANY_SEP({ SEP: t[","], DEF: () => formals.push(this.SUBRULE(this.formal)) });
    this.CONSUME(t[")"]);
    this.ACTION(() =>
      reportTwins(
        formals.map(({ name }) => name),
        this.reporter,
      ),
    );
    return formals;
  });

  readonly formal = this.RULE("formal", (): ast.Formal => {
    const first = this.LA(1);
    const name = this.SUBRULE1(this.ident);
    this.CONSUME(t[":"]);
    const type = this.SUBRULE2(this.ident);
    const value = this.OPTION(() => {
      this.CONSUME(t["="]);
      return this.SUBRULE(this.expr);
    });
    return { name, type, default: value ?? null, span: this.since(first) };
  });

  readonly body = this.RULE("body", (): ast.Body => {
    const lines: ast.Line[] = [];
    const first = this.CONSUME(t["{"]);
    this.MANY(() => lines.push(this.SUBRULE(this.line)));
    this.CONSUME(t["}"]);
    return { lines, span: this.since(first) };
  });

  readonly line = this.RULE("line", (): ast.Line => {
    return this.OR<ast.Line>([
      { ALT: () => this.SUBRULE(this.layer) },
      { ALT: () => this.SUBRULE(this.weight) },
      {
        ALT: () => {
          const first = this.CONSUME(t.let);
          const assign = this.SUBRULE1(this.assign);
          return { kind: "let", span: this.since(first), assign };
        },
      },
      { ALT: () => this.SUBRULE(this.branch) },
      {
        ALT: () => {
          const first = this.CONSUME(t.return);
          const values: ast.Expr[] = [];
          this.AT_LEAST_ONE_SEP({ SEP: t[","], DEF: () => values.push(this.SUBRULE(this.expr)) });
          return { kind: "return", span: this.since(first), values };
        },
      },
      { ALT: () => this.SUBRULE2(this.assign) },
    ]);
  });

  readonly layer = this.RULE("layer", (): ast.Layer => {
    const first = this.CONSUME(t.layer);
    const name = this.SUBRULE1(this.ident);
    this.CONSUME(t["="]);
    const type = this.SUBRULE2(this.ident);
    const args = this.SUBRULE(this.args);
    const from = this.SUBRULE(this.from);
    const init = this.OPTION(() => {
      this.CONSUME(t.init);
      return this.SUBRULE(this.expr);
    });
    const as = this.SUBRULE(this.as);
    return {
      kind: "layer",
      span: this.since(first),
      name,
      type,
      args,
      from,
      init: init ?? null,
      as,
    };
  });

  readonly weight = this.RULE("weight", (): ast.Weight => {
    const first = this.CONSUME(t.weight);
    const name = this.SUBRULE(this.ident);
    this.CONSUME(t[":"]);
    const shape = this.SUBRULE(this.list);
    this.CONSUME(t["="]);
    const value = this.SUBRULE(this.expr);
    const from = this.SUBRULE(this.from);
    const as = this.SUBRULE(this.as);
    return { kind: "weight", span: this.since(first), name, shape, value, from, as };
  });

  readonly from = this.RULE("from", (): ast.Expr | null => {
    const value = this.OPTION(() => {
      this.CONSUME(t.from);
      return this.SUBRULE(this.expr);
    });
    return value ?? null;
  });

  readonly as = this.RULE("as", (): ast.StringLiteral | null => {
    const value = this.OPTION(() => {
      this.CONSUME(t.as);
      return this.string(this.CONSUME(t.String));
    });
    return value ?? null;
  });

  readonly branch = this.RULE("branch", (): ast.If => {
    const first = this.CONSUME(t.if);
    const condition = this.SUBRULE(this.expr);
    const body = this.SUBRULE1(this.body);
    const otherwise = this.OPTION(() => {
      this.CONSUME(t.else);
      return this.OR<ast.Body | ast.If>([
        { ALT: () => this.SUBRULE2(this.body) },
        { ALT: () => this.SUBRULE(this.branch) },
      ]);
    });
    const span = this.since(first);
    // biome-ignore lint/suspicious/noThenProperty: a body is no function, nothing awaits it
    return { kind: "if", span, condition, then: body, else: otherwise ?? null };
  });

  readonly names = this.RULE("names", (): ast.Ident[] => {
    const names: ast.Ident[] = [];
    this.AT_LEAST_ONE_SEP({ SEP: t[","], DEF: () => names.push(this.SUBRULE(this.ident)) });
    return names;
  });

  readonly assign = this.RULE("assign", (): ast.Assign => {
    const first = this.LA(1);
    const names = this.SUBRULE(this.names);
    this.CONSUME(t["="]);
    const value = this.SUBRULE(this.expr);
    return { kind: "assign", span: this.since(first), names, value };
  });

  readonly match = this.RULE("match", (): ast.PatternAssign => {
    const first = this.LA(1);
    const names = this.SUBRULE(this.names);
    this.CONSUME(t["="]);
    const pattern = this.SUBRULE(this.pattern);
    return { span: this.since(first), names, pattern };
  });

  readonly pattern = this.RULE("pattern", (): ast.Pattern => {
    const first = this.LA(1);
    const options: ast.Pattern[] = [];
    this.AT_LEAST_ONE_SEP({ SEP: t["|"], DEF: () => options.push(this.SUBRULE(this.patternAtom)) });
    return options.length === 1
      ? options[0]!
      : { kind: "alternatives", span: this.since(first), options };
  });

  readonly patternAtom = this.RULE("patternAtom", (): ast.Pattern => {
    const first = this.LA(1);
    return this.OR<ast.Pattern>([
      {
        ALT: () => {
          const value = this.SUBRULE1(this.signed);
          return { kind: "number", value, span: this.since(first) };
        },
      },
      {
        ALT: () => {
          const { value, span } = this.string(this.CONSUME(t.String));
          return { kind: "string", value, span };
        },
      },
      {
        ALT: () => {
          const values: number[] = [];
          this.CONSUME(t["["]);
          this.MANY_SEP({ SEP: t[","], DEF: () => values.push(this.SUBRULE2(this.signed)) });
          this.CONSUME(t["]"]);
          return { kind: "numbers", values, span: this.since(first) };
        },
      },
      {
        ALT: () => {
          this.CONSUME(t["("]);
          const inner = this.SUBRULE(this.pattern);
          this.CONSUME(t[")"]);
          return { ...inner, span: this.since(first) };
        },
      },
      { ALT: () => this.SUBRULE(this.operation) },
    ]);
  });

  readonly signed = this.RULE("signed", (): number => {
    const minus = this.OPTION(() => this.CONSUME(t["-"]));
    const { value } = this.number(this.CONSUME(t.Number));
    return minus === undefined ? value : -value;
  });

  /** A name by itself binds what it meets; with arguments it is an ONNX operator. */
  readonly operation = this.RULE("operation", (): ast.Pattern => {
    const first = this.LA(1);
    const domain = this.OPTION1(() => domainOf(this.CONSUME(t.Domain))) ?? "";
    const op = this.SUBRULE(this.ident);
    const call = this.OPTION2({
      DEF: () => {
        const optional = this.OPTION3(() => this.CONSUME(t["?"]));
        return { optional: optional !== undefined, args: this.SUBRULE(this.patternArgs) };
      },
    });
    const span = this.since(first);
    if (call === undefined && domain === "") {
      return { kind: "binding", name: op.name, span };
    }
    return { kind: "op", domain, op, optional: false, args: [], ...call, span };
  });

  readonly patternArgs = this.RULE("patternArgs", (): ast.OpPattern["args"] => {
    const args: ast.OpPattern["args"][number][] = [];
    this.CONSUME(t["("]);
    this.MANY_SEP({ SEP: t[","], DEF: () => args.push(this.SUBRULE(this.patternArg)) });
    this.CONSUME(t[")"]);
    this.ACTION(() =>
      reportTwins(
        args.map((arg) => arg.name),
        this.reporter,
      ),
    );
    return args;
  });

  readonly patternArg = this.RULE("patternArg", (): ast.OpPattern["args"][number] => {
    const name = this.OPTION(() => {
      const word: IToken = this.CONSUME(t.Word);
      this.CONSUME(t[":"]);
      return ident(this.source, word);
    });
    return { name: name ?? null, value: this.SUBRULE(this.pattern) };
  });
}
