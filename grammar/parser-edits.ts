import type * as ast from "./ast.ts";
import { ident, stepNames } from "./ast-builder.ts";
import { ExpressionParser } from "./parser-expressions.ts";
import { t } from "./tokens.ts";

/** The rules of selections and of the edits that apply to them. */
export class EditParser extends ExpressionParser {
  readonly replace = this.RULE("replace", (): ast.Replace => {
    const first = this.CONSUME(t.replace);
    const target = this.SUBRULE(this.selection);
    this.CONSUME(t.with);
    const operator = this.SUBRULE(this.operatorUse);
    const init = this.OPTION(() => {
      this.CONSUME(t.init);
      return this.SUBRULE(this.ident);
    });
    const tail = this.SUBRULE(this.tail);
    const span = this.since(first);
    return { kind: "replace", span, target, operator, init: init ?? null, tail };
  });

  readonly operatorUse = this.RULE("operatorUse", (): ast.OperatorUse => {
    const first = this.LA(1);
    const name = this.SUBRULE(this.ident);
    const args = this.OPTION(() => this.SUBRULE(this.args));
    return { name, args: args ?? [], span: this.since(first) };
  });

  readonly resize = this.RULE("resize", (): ast.Resize => {
    const first = this.CONSUME(t.resize);
    const target = this.SUBRULE(this.selection);
    this.CONSUME(t.to);
    const quantity = this.SUBRULE(this.ident);
    const value = this.SUBRULE(this.expr);
    const tail = this.SUBRULE(this.tail);
    return { kind: "resize", span: this.since(first), target, quantity, value, tail };
  });

  readonly parallelize = this.RULE("parallelize", (): ast.Parallelize => {
    const first = this.CONSUME(t.parallelize);
    const target = this.SUBRULE(this.selection);
    this.CONSUME(t.by);
    const by = this.SUBRULE(this.count);
    const merge = this.OPTION(() => {
      this.CONSUME(t.merge);
      return this.SUBRULE(this.ident);
    });
    const tail = this.SUBRULE(this.tail);
    return { kind: "parallelize", span: this.since(first), target, by, merge: merge ?? null, tail };
  });

  readonly remove = this.RULE("remove", (): ast.Remove => {
    const first = this.CONSUME(t.remove);
    const target = this.SUBRULE(this.selection);
    const tail = this.SUBRULE(this.tail);
    return { kind: "remove", span: this.since(first), target, tail };
  });

  readonly repeat = this.RULE("repeat", (): ast.Repeat => {
    const first = this.CONSUME(t.repeat);
    const target = this.SUBRULE(this.selection);
    this.CONSUME(t.times);
    const times = this.SUBRULE(this.count);
    const tail = this.SUBRULE(this.tail);
    return { kind: "repeat", span: this.since(first), target, times, tail };
  });

  /** The gate leaves `expect { ... }` alone: it is the next statement, `expect 7` is this tail. */
  readonly tail = this.RULE("tail", (): ast.Tail => {
    const none: ast.Tail = { optional: false, expect: null };
    const tail = this.OPTION({
      GATE: () => this.LA(1).tokenType === t.optional || this.LA(2).tokenType === t.Int,
      DEF: () =>
        this.OR<ast.Tail>([
          {
            ALT: () => {
              this.CONSUME(t.optional);
              return { optional: true, expect: null };
            },
          },
          {
            ALT: () => {
              const first = this.CONSUME(t.expect);
              const count = this.number(this.CONSUME(t.Int)).value;
              return { optional: false, expect: { count, span: this.since(first) } };
            },
          },
        ]),
    });
    return tail ?? none;
  });

  readonly selection = this.RULE("selection", (): ast.Selection => {
    const first = this.LA(1);
    return this.OR<ast.Selection>([
      {
        ALT: () => {
          const { value, span } = this.string(this.CONSUME(t.String));
          return { kind: "scope", span, pattern: value };
        },
      },
      {
        ALT: () => {
          const stack = [this.SUBRULE(this.ident)].concat(this.SUBRULE1(this.steps));
          let part: ast.Ident[] = [];
          const index = this.OPTION(() => {
            const chosen = this.SUBRULE(this.index);
            part = this.SUBRULE2(this.steps);
            return chosen;
          });
          return { kind: "path", span: this.since(first), stack, index: index ?? null, part };
        },
      },
    ]);
  });

  /** `.blocks`, `.attn`, and `.0`: module paths have numbers in them. */
  readonly steps = this.RULE("steps", (): ast.Ident[] => {
    const names: ast.Ident[] = [];
    this.MANY(() => {
      this.CONSUME(t["."]);
      names.push(...stepNames(this.source, this.CONSUME(t.Step), this.reporter));
    });
    return names;
  });

  readonly index = this.RULE("index", (): ast.Index => {
    this.CONSUME(t["["]);
    const first = this.LA(1);
    const index = this.OR<ast.Index>([
      {
        ALT: () => {
          this.CONSUME(t.all);
          const except = this.OPTION(() => {
            this.CONSUME(t.except);
            return this.SUBRULE1(this.items);
          });
          return { kind: "all", except: except ?? [], span: this.since(first) };
        },
      },
      { ALT: () => ({ kind: "odd", span: this.since(this.CONSUME(t.odd)) }) },
      { ALT: () => ({ kind: "even", span: this.since(this.CONSUME(t.even)) }) },
      { ALT: () => this.SUBRULE(this.edge) },
      { ALT: () => this.SUBRULE(this.ranked) },
      {
        ALT: () => {
          this.CONSUME(t.where);
          const condition = this.SUBRULE(this.expr);
          return { kind: "where", condition, span: this.since(first) };
        },
      },
      {
        ALT: () => {
          const items = this.SUBRULE2(this.items);
          return { kind: "items", items, span: this.since(first) };
        },
      },
    ]);
    this.CONSUME(t["]"]);
    return index;
  });

  readonly edge = this.RULE("edge", (): ast.Index => {
    const first = this.OR([
      { ALT: () => this.CONSUME(t.first) },
      { ALT: () => this.CONSUME(t.last) },
    ]);
    const share = this.SUBRULE(this.share);
    return { kind: first.image as "first" | "last", share, span: this.since(first) };
  });

  readonly ranked = this.RULE("ranked", (): ast.Index => {
    const first = this.OR([
      { ALT: () => this.CONSUME(t.top) },
      { ALT: () => this.CONSUME(t.bottom) },
    ]);
    const share = this.SUBRULE(this.share);
    this.CONSUME(t.by);
    const measure = this.SUBRULE(this.expr);
    return { kind: first.image as "top" | "bottom", share, measure, span: this.since(first) };
  });

  readonly items = this.RULE("items", (): ast.IndexItem[] => {
    const items: ast.IndexItem[] = [];
    this.AT_LEAST_ONE_SEP({ SEP: t[","], DEF: () => items.push(this.SUBRULE(this.item)) });
    return items;
  });

  readonly item = this.RULE("item", (): ast.IndexItem => {
    const first = this.LA(1);
    const from = this.SUBRULE1(this.sum);
    let to: ast.Expr | null = null;
    let by: ast.Count | null = null;
    this.OPTION1(() => {
      this.CONSUME(t[".."]);
      to = this.SUBRULE2(this.sum);
      this.OPTION2(() => {
        this.CONSUME(t.by);
        by = this.SUBRULE(this.count);
      });
    });
    return { from, to, by, span: this.since(first) };
  });

  readonly share = this.RULE("share", (): ast.Share => {
    return this.OR<ast.Share>([
      { ALT: () => this.percent(this.CONSUME(t.Percent)) },
      { ALT: () => this.SUBRULE(this.count) },
    ]);
  });

  readonly count = this.RULE("count", (): ast.Count => {
    return this.OR<ast.Count>([
      { ALT: () => this.number(this.CONSUME(t.Int)) },
      {
        ALT: () => {
          const { name, span } = ident(this.source, this.CONSUME(t.Name));
          return { kind: "name", domain: "", name, span };
        },
      },
    ]);
  });
}
