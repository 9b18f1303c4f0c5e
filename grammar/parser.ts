import { type IParserConfig, type IToken, isRecognitionException } from "chevrotain";
import type { Reporter } from "../src/diag/diagnostic.ts";
import type { SourceText } from "../src/diag/span.ts";
import type * as ast from "./ast.ts";
import { ident, reportTwins } from "./ast-builder.ts";
import { docOf, type Gaps, gapsOf } from "./comments.ts";
import {
  type Failure,
  failureKeys,
  type Place,
  reportFailure,
  reportNoStatement,
} from "./parser-errors.ts";
import { OperatorParser } from "./parser-operators.ts";
import { beginsLine, isStatementKeyword, type Tokens, t } from "./tokens.ts";

/** After so many errors the rest of a file is not looked at. */
export const maxErrors = 20;

/**
 * The whole grammar, as in grammar.md; the methods are its rules and return the tree. One parser
 * serves all texts. Chevrotain's own recovery is off, since it invents tokens: a statement with an
 * error is left out, and parsing goes on at the next statement that begins a line.
 */
export class GraftParser extends OperatorParser {
  private tokens: IToken[] = [];
  private gaps: Gaps = new Map();

  constructor(config: IParserConfig = { skipValidations: true }) {
    super({ ...config, errorMessageProvider: failureKeys });
    this.performSelfAnalysis();
  }

  parse(source: SourceText, { tokens, comments }: Tokens, reporter: Reporter): ast.Statement[] {
    this.source = source;
    this.reporter = reporter;
    this.tokens = tokens;
    this.gaps = gapsOf(source, tokens, comments);
    this.input = tokens;
    const statements = this.file();
    if (this.errors.length > 0 && !reporter.failed) {
      throw new Error(`the parser failed without a word: ${this.errors[0]}`);
    }
    return statements;
  }

  readonly file = this.RULE("file", (): ast.Statement[] => {
    const statements: ast.Statement[] = [];
    this.ACTION(() => this.skipUnknown(null));
    this.MANY(() => {
      const statement = this.attempt(() => this.SUBRULE(this.statement));
      if (statement !== null) statements.push(statement);
      this.ACTION(() => this.skipUnknown(statement));
    });
    return statements;
  });

  /** A statement's tree; or, where it is wrong, nothing, a report, and what it spoils is skipped. */
  private attempt(rule: () => ast.Statement): ast.Statement | null {
    const first = this.LA(1);
    try {
      return rule();
    } catch (cause) {
      if (!(cause instanceof Error && isRecognitionException(cause))) throw cause;
      reportFailure(cause as Failure, first, this.place);
      this.resync();
      return null;
    }
  }

  /** What follows a statement and starts no other is reported once and skipped. */
  private skipUnknown(last: ast.Statement | null): void {
    const token = this.LA(1);
    if (this.atEnd() || isStatementKeyword(token)) return;
    reportNoStatement(token, last, this.place);
    this.resync();
  }

  /** To the next statement that begins a line, or to the end after too many errors. */
  private resync(): void {
    const enough = this.reporter.diagnostics.length >= maxErrors;
    while (!this.atEnd()) {
      if (!enough && beginsLine(this.source, this.LA(0), this.LA(1), this.LA(2))) return;
      this.SKIP_TOKEN();
    }
  }

  private get place(): Place {
    return { source: this.source, tokens: this.tokens, reporter: this.reporter };
  }

  private atEnd(): boolean {
    return Number.isNaN(this.LA(1).startOffset);
  }

  readonly statement = this.RULE("statement", (): ast.Statement => {
    return this.OR<ast.Statement>([
      { ALT: () => this.SUBRULE(this.use) },
      { ALT: () => this.SUBRULE(this.param) },
      { ALT: () => this.SUBRULE(this.expect) },
      { ALT: () => this.SUBRULE(this.ensure) },
      { ALT: () => this.SUBRULE(this.replace) },
      { ALT: () => this.SUBRULE(this.resize) },
      { ALT: () => this.SUBRULE(this.parallelize) },
      { ALT: () => this.SUBRULE(this.remove) },
      { ALT: () => this.SUBRULE(this.repeat) },
      { ALT: () => this.SUBRULE(this.operator) },
      { ALT: () => this.SUBRULE(this.rewrite) },
      { ALT: () => this.SUBRULE(this.recipe) },
    ]);
  });

  readonly use = this.RULE("use", (): ast.Use => {
    const first = this.CONSUME(t.use);
    const path = this.string(this.CONSUME(t.String));
    return { kind: "use", span: this.since(first), path };
  });

  readonly param = this.RULE("param", (): ast.Param => {
    const first = this.CONSUME(t.param);
    const name = this.SUBRULE(this.ident);
    this.CONSUME(t["="]);
    const value = this.SUBRULE(this.expr);
    return { kind: "param", span: this.since(first), name, value };
  });

  readonly expect = this.RULE("expect", (): ast.Expect => {
    const first = this.CONSUME(t.expect);
    const record = this.SUBRULE(this.record);
    return { kind: "expect", span: this.since(first), record };
  });

  readonly ensure = this.RULE("ensure", (): ast.Ensure => {
    const bounds: ast.Bound[] = [];
    const first = this.CONSUME(t.ensure);
    this.CONSUME(t["{"]);
    this.MANY_SEP({ SEP: t[","], DEF: () => bounds.push(this.SUBRULE(this.bound)) });
    this.CONSUME(t["}"]);
    return { kind: "ensure", span: this.since(first), bounds };
  });

  readonly bound = this.RULE("bound", (): ast.Bound => {
    const first = this.LA(1);
    const key = this.SUBRULE(this.ident);
    this.CONSUME(t[":"]);
    const op = this.CONSUME(t.Bound).image as ast.Bound["op"];
    const value = this.SUBRULE(this.sum);
    return { key, op, value, span: this.since(first) };
  });

  readonly operator = this.RULE("operator", (): ast.Operator => {
    const first = this.CONSUME(t.operator);
    const doc = docOf(this.source, this.gaps.get(first.startOffset));
    const name = this.SUBRULE1(this.ident);
    const params = this.OPTION1(() => this.SUBRULE(this.formals)) ?? [];
    const place = this.OPTION2(() => {
      this.CONSUME(t.for);
      return this.SUBRULE2(this.ident);
    });
    const body = this.SUBRULE(this.body);
    const span = this.since(first);
    return { kind: "operator", span, name, doc, params, place: place ?? null, body };
  });

  readonly rewrite = this.RULE("rewrite", (): ast.Rewrite => {
    const first = this.CONSUME(t.rewrite);
    const name = this.SUBRULE(this.ident);
    const scope = this.OPTION1(() => {
      this.CONSUME(t.in);
      return this.SUBRULE(this.selection);
    });
    this.CONSUME(t["{"]);
    const matches: ast.PatternAssign[] = [];
    this.CONSUME(t.match);
    matches.push(this.SUBRULE1(this.match));
    this.MANY(() => {
      this.OPTION2(() => this.CONSUME2(t.match));
      matches.push(this.SUBRULE2(this.match));
    });
    const where = this.OPTION3(() => {
      this.CONSUME(t.where);
      return this.SUBRULE(this.expr);
    });
    this.CONSUME(t.with);
    const results: ast.Assign[] = [];
    this.AT_LEAST_ONE(() => results.push(this.SUBRULE(this.assign)));
    this.CONSUME(t["}"]);
    const tail = this.SUBRULE(this.tail);
    return {
      ...{ kind: "rewrite", span: this.since(first), name, in: scope ?? null },
      ...{ matches, where: where ?? null, with: results, tail },
    };
  });

  readonly recipe = this.RULE("recipe", (): ast.Recipe => {
    const first = this.OR([
      { ALT: () => this.CONSUME(t.distill) },
      { ALT: () => this.CONSUME(t.finetune) },
    ]);
    const record = this.SUBRULE(this.record);
    const stage = first.image as ast.Recipe["stage"];
    return { kind: "recipe", span: this.since(first), stage, record };
  });

  readonly record = this.RULE("record", (): ast.RecordExpr => {
    const entries: ast.Entry[] = [];
    const first = this.CONSUME(t["{"]);
    this.MANY_SEP({ SEP: t[","], DEF: () => entries.push(this.SUBRULE(this.entry)) });
    this.CONSUME(t["}"]);
    this.ACTION(() =>
      reportTwins(
        entries.map((entry) => entry.key),
        this.reporter,
      ),
    );
    return { kind: "record", span: this.since(first), entries };
  });

  readonly entry = this.RULE("entry", (): ast.Entry => {
    const first = this.LA(1);
    return this.OR1<ast.Entry>([
      {
        ALT: () => {
          const key = ident(this.source, this.CONSUME(t.train));
          this.CONSUME1(t[":"]);
          const value = this.SUBRULE(this.trainSelection);
          return { key, value, span: this.since(first) };
        },
      },
      {
        ALT: () => {
          const key = this.SUBRULE(this.ident);
          this.CONSUME2(t[":"]);
          const value = this.OR2<ast.Expr | ast.RecordExpr>([
            { ALT: () => this.SUBRULE(this.record) },
            { ALT: () => this.SUBRULE(this.expr) },
          ]);
          return { key, value, span: this.since(first) };
        },
      },
    ]);
  });

  readonly trainSelection = this.RULE("trainSelection", (): ast.TrainSelection => {
    const first = this.LA(1);
    const terms: ast.TrainSelection["terms"][number][] = [];
    this.OR([
      {
        ALT: () => {
          const all = this.CONSUME(t.all);
          terms.push({ kind: "all", span: this.since(all) });
        },
      },
      { ALT: () => terms.push(this.SUBRULE1(this.selection)) },
    ]);
    this.MANY(() => {
      this.CONSUME(t["+"]);
      terms.push(this.SUBRULE2(this.selection));
    });
    return { kind: "train", terms, span: this.since(first) };
  });
}
