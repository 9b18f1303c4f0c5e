/**
 * Random files together with the tree they must have: written from grammar.md alone, so that the
 * parser is held against it. Words are joined by random white space and comments.
 */
import fc, { type GeneratorValue } from "fast-check";
import { ExpressionWriter, type Piece } from "./random-expressions.ts";

const comments = ["// a\n", "//\n", "/* b */", "/* c\n   d */", "/**/", "//// e  \n"];

export const randomFile: fc.Arbitrary<{ text: string; tree: unknown[] }> = fc.gen().map((g) => {
  const file = new FileWriter(g).file();
  return { text: join(g, file.words), tree: file.tree };
});

/** Words that need nothing between them and any other. */
const loose = /^[()[\]{},=]$/;

function join(g: GeneratorValue, parts: readonly string[]): string {
  const pick = <T>(...values: T[]): T => values[g(fc.nat, { max: values.length - 1 })]!;
  const remarks = g(fc.boolean);
  let text = pick("", "\uFEFF", "\n", "// head\n", "/* head */");
  let before = "(";
  for (const word of [...parts, ""]) {
    const gap = g(fc.nat, { max: remarks ? 19 : 13 });
    const least = loose.test(before) || loose.test(word) || word === "" ? "" : " ";
    if (gap < 8) text += least;
    else if (gap < 11) text += " ";
    else if (gap < 13) text += "\n";
    else if (gap < 14) text += " \r\n\n\n\t ";
    else {
      text += pick(" ", "   ", "\n", "\n\n") + pick(...comments);
      text += pick("", " ", "\n", "\n\n") + (gap === 19 ? "/* f */ // g\n" : "");
    }
    text += word;
    before = word;
  }
  return text;
}

class FileWriter extends ExpressionWriter {
  file(): Piece<unknown[]> {
    const statements = this.some(0, 4, () => this.statement());
    return {
      words: statements.flatMap((statement) => statement.words),
      tree: statements.map((statement) => statement.tree),
    };
  }

  private statement(): Piece {
    const makers = [
      () => this.use(),
      () => this.param(),
      () => this.expect(),
      () => this.ensure(),
      () => this.edit(),
      () => this.edit(),
      () => this.operator(),
      () => this.operator(),
      () => this.rewrite(),
      () => this.recipe(),
    ];
    return this.pick(makers)();
  }

  private use(): Piece {
    const path = this.string();
    return { words: ["use", ...path.words], tree: { kind: "use", path: path.tree } };
  }

  private param(): Piece {
    const [name, value] = [this.ident(), this.expr()];
    const tree = { kind: "param", name: name.tree, value: value.tree };
    return { words: ["param", ...name.words, "=", ...value.words], tree };
  }

  private expect(): Piece {
    const record = this.record(1);
    return { words: ["expect", ...record.words], tree: { kind: "expect", record: record.tree } };
  }

  private ensure(): Piece {
    const bounds = this.separated(
      this.some(0, 3, () => {
        const [key, op, value] = [
          this.ident(),
          this.pick(["<", "<=", "==", ">", ">="]),
          this.sum(),
        ];
        const tree = { key: key.tree, op, value: value.tree };
        return { words: [...key.words, ":", op, ...value.words], tree };
      }),
      ",",
    );
    const tree = { kind: "ensure", bounds: bounds.tree };
    return { words: ["ensure", "{", ...bounds.words, "}"], tree };
  }

  private edit(): Piece {
    const [target, tail, name, count] = [this.selection(), this.tail(), this.ident(), this.count()];
    const has = this.chance();
    const [init, merge] = [has ? ["init", ...name.words] : [], has ? ["merge", ...name.words] : []];
    const given = has ? name.tree : null;
    switch (this.g(fc.nat, { max: 4 })) {
      case 0: {
        const operator = this.operatorUse();
        const words = [
          "replace",
          ...target.words,
          "with",
          ...operator.words,
          ...init,
          ...tail.words,
        ];
        const parts = { target: target.tree, operator: operator.tree, init: given };
        return { words, tree: { kind: "replace", ...parts, tail: tail.tree } };
      }
      case 1: {
        const value = this.expr();
        const words = [
          "resize",
          ...target.words,
          "to",
          ...name.words,
          ...value.words,
          ...tail.words,
        ];
        const parts = { target: target.tree, quantity: name.tree, value: value.tree };
        return { words, tree: { kind: "resize", ...parts, tail: tail.tree } };
      }
      case 2: {
        const words = [
          "parallelize",
          ...target.words,
          "by",
          ...count.words,
          ...merge,
          ...tail.words,
        ];
        const parts = { target: target.tree, by: count.tree, merge: given };
        return { words, tree: { kind: "parallelize", ...parts, tail: tail.tree } };
      }
      case 3: {
        const words = ["remove", ...target.words, ...tail.words];
        return { words, tree: { kind: "remove", target: target.tree, tail: tail.tree } };
      }
      default: {
        const words = ["repeat", ...target.words, "times", ...count.words, ...tail.words];
        const parts = { target: target.tree, times: count.tree };
        return { words, tree: { kind: "repeat", ...parts, tail: tail.tree } };
      }
    }
  }

  private operatorUse(): Piece {
    const [name, args] = [this.ident(), this.args()];
    const called = args.tree.length > 0 || this.chance();
    const words = called ? [...name.words, ...args.words] : name.words;
    return { words, tree: { name: name.tree, args: args.tree } };
  }

  private tail(): Piece {
    const form = this.g(fc.nat, { max: 2 });
    if (form === 0) return { words: [], tree: { optional: false, expect: null } };
    if (form === 1) return { words: ["optional"], tree: { optional: true, expect: null } };
    const { words, tree } = this.int();
    return {
      words: ["expect", ...words],
      tree: { optional: false, expect: { count: tree.value } },
    };
  }

  private count(): Piece {
    return this.chance() ? this.int() : this.name();
  }

  private selection(): Piece {
    if (this.g(fc.nat, { max: 5 }) === 0) {
      const { words, tree } = this.string();
      return { words, tree: { kind: "scope", pattern: tree.value } };
    }
    const stack = this.separated(
      this.some(1, 3, () => this.ident()),
      ".",
    );
    const plain = {
      words: stack.words,
      tree: { kind: "path", stack: stack.tree, index: null, part: [] },
    };
    if (this.chance()) return plain;
    const index = this.index();
    const part = this.some(0, 2, () => this.ident());
    const words = [
      ...stack.words,
      "[",
      ...index.words,
      "]",
      ...part.flatMap((p) => [".", ...p.words]),
    ];
    return { words, tree: { ...plain.tree, index: index.tree, part: part.map((p) => p.tree) } };
  }

  private index(): Piece {
    const [items, value] = [this.items(), this.expr()];
    const share = this.chance() ? this.count() : this.percent();
    const edge = this.pick(["first", "last"]);
    const rank = this.pick(["top", "bottom"]);
    const parity = this.pick(["odd", "even"]);
    const forms: Piece[] = [
      { words: ["all"], tree: { kind: "all", except: [] } },
      { words: ["all", "except", ...items.words], tree: { kind: "all", except: items.tree } },
      { words: [parity], tree: { kind: parity } },
      { words: [edge, ...share.words], tree: { kind: edge, share: share.tree } },
      {
        words: [rank, ...share.words, "by", ...value.words],
        tree: { kind: rank, share: share.tree, measure: value.tree },
      },
      { words: ["where", ...value.words], tree: { kind: "where", condition: value.tree } },
      { words: items.words, tree: { kind: "items", items: items.tree } },
    ];
    return this.pick(forms);
  }

  private items(): Piece<unknown[]> {
    return this.separated(
      this.some(1, 3, () => {
        const [from, to, by] = [this.sum(), this.sum(), this.count()];
        const form = this.g(fc.nat, { max: 2 });
        const words = [...from.words, ...(form > 0 ? ["..", ...to.words] : [])];
        const tree = {
          from: from.tree,
          to: form > 0 ? to.tree : null,
          by: form > 1 ? by.tree : null,
        };
        return { words: form > 1 ? [...words, "by", ...by.words] : words, tree };
      }),
      ",",
    );
  }

  private operator(): Piece {
    const doc = this.pick([null, "Does it.", "Two\nlines", ""]);
    const [name, place, body] = [this.ident(), this.ident(), this.body(2)];
    const hasPlace = this.chance();
    const formals = this.separated(
      this.some(0, 6, () => {
        const [formal, type, value] = [this.ident(), this.ident(), this.expr()];
        const given = this.chance();
        const tree = { name: formal.tree, type: type.tree, default: given ? value.tree : null };
        const words = [
          ...formal.words,
          ":",
          ...type.words,
          ...(given ? ["=", ...value.words] : []),
        ];
        return { words, tree };
      }),
      ",",
    );
    const comment = doc === null ? "" : `\n${doc.replace(/^/gm, "/// ")}\n  `;
    const head = [`${comment}operator`, ...name.words];
    const list = formals.tree.length > 0 || this.chance() ? ["(", ...formals.words, ")"] : [];
    const words = [...head, ...list, ...(hasPlace ? ["for", ...place.words] : []), ...body.words];
    const parts = { name: name.tree, doc, params: formals.tree };
    const tree = {
      kind: "operator",
      ...parts,
      place: hasPlace ? place.tree : null,
      body: body.tree,
    };
    return { words, tree };
  }

  private body(depth: number): Piece {
    const lines = this.some(0, 4, () => this.line(depth));
    const words = ["{", ...lines.flatMap((line) => line.words), "}"];
    return { words, tree: { lines: lines.map((line) => line.tree) } };
  }

  private line(depth: number): Piece {
    const [name, value, assign] = [this.ident(), this.expr(), this.assign()];
    const [from, init, as] = [this.clause("from"), this.clause("init"), this.storedName()];
    switch (this.g(fc.nat, { max: depth > 0 ? 6 : 5 })) {
      case 0: {
        const [type, args] = [this.ident(), this.args()];
        const head = ["layer", ...name.words, "=", ...type.words, ...args.words];
        const parts = { name: name.tree, type: type.tree, args: args.tree };
        const clauses = { from: from.tree, init: init.tree, as: as.tree };
        const words = [...head, ...from.words, ...init.words, ...as.words];
        return { words, tree: { kind: "layer", ...parts, ...clauses } };
      }
      case 1: {
        const shape = this.list();
        const head = ["weight", ...name.words, ":", ...shape.words, "=", ...value.words];
        const parts = { name: name.tree, shape: shape.tree, value: value.tree };
        const tree = { kind: "weight", ...parts, from: from.tree, as: as.tree };
        return { words: [...head, ...from.words, ...as.words], tree };
      }
      case 2:
        return { words: ["let", ...assign.words], tree: { kind: "let", assign: assign.tree } };
      case 3: {
        const values = this.separated(
          this.some(1, 2, () => this.expr()),
          ",",
        );
        return {
          words: ["return", ...values.words],
          tree: { kind: "return", values: values.tree },
        };
      }
      case 6:
        return this.branch(depth - 1);
      default:
        return assign;
    }
  }

  private branch(depth: number): Piece {
    const [condition, then] = [this.expr(), this.body(depth)];
    const form = this.g(fc.nat, { max: depth > 0 ? 2 : 1 });
    const other = form === 0 ? null : form === 1 ? this.body(depth) : this.branch(depth - 1);
    const words = [
      "if",
      ...condition.words,
      ...then.words,
      ...(other ? ["else", ...other.words] : []),
    ];
    const parts = { condition: condition.tree, else: other?.tree ?? null };
    // biome-ignore lint/suspicious/noThenProperty: as in the tree
    return { words, tree: { kind: "if", then: then.tree, ...parts } };
  }

  private clause(word: string): Piece {
    const value = this.expr();
    return this.chance()
      ? { words: [word, ...value.words], tree: value.tree }
      : { words: [], tree: null };
  }

  private storedName(): Piece {
    const value = this.string();
    return this.chance()
      ? { words: ["as", ...value.words], tree: value.tree }
      : { words: [], tree: null };
  }

  private names(): Piece<unknown[]> {
    return this.separated(
      this.some(1, 3, () => this.ident()),
      ",",
    );
  }

  private assign(): Piece {
    const [names, value] = [this.names(), this.expr()];
    const tree = { kind: "assign", names: names.tree, value: value.tree };
    return { words: [...names.words, "=", ...value.words], tree };
  }

  private rewrite(): Piece {
    const [name, scope, where, tail] = [
      this.ident(),
      this.selection(),
      this.clause("where"),
      this.tail(),
    ];
    const matches = this.some(1, 3, () => {
      const [names, pattern] = [this.names(), this.pattern(2)];
      const tree = { names: names.tree, pattern: pattern.tree };
      return { words: [...names.words, "=", ...pattern.words], tree };
    });
    const results = this.some(1, 2, () => this.assign());
    const scoped = this.chance();
    const words = [
      ...["rewrite", ...name.words, ...(scoped ? ["in", ...scope.words] : []), "{"],
      ...matches.flatMap((m, i) => (i === 0 || this.chance() ? ["match", ...m.words] : m.words)),
      ...[...where.words, "with", ...results.flatMap((result) => result.words), "}", ...tail.words],
    ];
    const tree = {
      ...{ kind: "rewrite", name: name.tree, in: scoped ? scope.tree : null },
      ...{ matches: matches.map((m) => m.tree), where: where.tree },
      ...{ with: results.map((result) => result.tree), tail: tail.tree },
    };
    return { words, tree };
  }

  private pattern(depth: number): Piece {
    const options = this.some(1, 2, () => this.patternAtom(depth));
    const { words, tree } = this.separated(options, "|");
    return { words, tree: tree.length === 1 ? tree[0] : { kind: "alternatives", options: tree } };
  }

  private signed(): Piece<number> {
    const [number, minus] = [this.number(), this.chance()];
    const { value } = number.tree as { value: number };
    return minus ? { words: ["-", ...number.words], tree: -value } : { ...number, tree: value };
  }

  private patternAtom(depth: number): Piece {
    const [number, string, name] = [this.signed(), this.string(), this.ident()];
    switch (this.g(fc.nat, { max: depth > 0 ? 5 : 3 })) {
      case 0:
        return { words: number.words, tree: { kind: "number", value: number.tree } };
      case 1:
        return { words: string.words, tree: string.tree };
      case 2: {
        const values = this.separated(
          this.some(0, 3, () => this.signed()),
          ",",
        );
        const tree = { kind: "numbers", values: values.tree };
        return { words: ["[", ...values.words, "]"], tree };
      }
      case 3:
        return { words: name.words, tree: { kind: "binding", ...name.tree } };
      case 4: {
        const inner = this.pattern(depth - 1);
        return { words: ["(", ...inner.words, ")"], tree: inner.tree };
      }
      default: {
        const args = this.separated(
          this.some(0, 3, () => this.pattern(depth - 1)),
          ",",
        );
        const [domain, optional] = [this.pick(["", "com.microsoft"]), this.chance()];
        const head = [...(domain === "" ? [] : [`${domain}::`]), ...name.words];
        const words = [...head, ...(optional ? ["?"] : []), "(", ...args.words, ")"];
        const list = args.tree.map((value) => ({ name: null, value }));
        return { words, tree: { kind: "op", domain, op: name.tree, optional, args: list } };
      }
    }
  }

  private recipe(): Piece {
    const [stage, record] = [this.pick(["distill", "finetune"]), this.record(2)];
    const tree = { kind: "recipe", stage, record: record.tree };
    return { words: [stage, ...record.words], tree };
  }

  private record(depth: number): Piece {
    const keys = ["steps", "batch", "lr", "clip", "train", "by"];
    const entries = this.some(0, 4, () => {
      const key = keys.splice(this.g(fc.nat, { max: keys.length - 1 }), 1)[0]!;
      const value =
        key === "train"
          ? this.train()
          : depth > 0 && this.chance()
            ? this.record(depth - 1)
            : this.expr();
      const tree = { key: { name: key }, value: value.tree };
      return { words: [key, ":", ...value.words], tree };
    });
    const { words, tree } = this.separated(entries, ",");
    return { words: ["{", ...words, "}"], tree: { kind: "record", entries: tree } };
  }

  private train(): Piece {
    const all: Piece = { words: ["all"], tree: { kind: "all" } };
    const first = this.chance() ? all : this.selection();
    const terms = this.separated([first, ...this.some(0, 2, () => this.selection())], "+");
    return { words: terms.words, tree: { kind: "train", terms: terms.tree } };
  }
}
