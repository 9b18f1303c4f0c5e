/** Random edits and selections, each with the tree that it must have. */
import fc from "fast-check";
import { ExpressionWriter, type Piece } from "./random-expressions.ts";

export class EditWriter extends ExpressionWriter {
  protected edit(): Piece {
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

  protected operatorUse(): Piece {
    const [name, args] = [this.ident(), this.args()];
    const called = args.tree.length > 0 || this.chance();
    const words = called ? [...name.words, ...args.words] : name.words;
    return { words, tree: { name: name.tree, args: args.tree } };
  }

  protected tail(): Piece {
    const form = this.g(fc.nat, { max: 2 });
    if (form === 0) return { words: [], tree: { optional: false, expect: null } };
    if (form === 1) return { words: ["optional"], tree: { optional: true, expect: null } };
    const { words, tree } = this.int();
    return {
      words: ["expect", ...words],
      tree: { optional: false, expect: { count: tree.value } },
    };
  }

  protected count(): Piece {
    return this.chance() ? this.int() : this.name();
  }

  protected selection(): Piece {
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

  protected index(): Piece {
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

  protected items(): Piece<unknown[]> {
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
}
