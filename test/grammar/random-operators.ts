/** Random operators and rewrites, each with the tree that it must have. */
import fc from "fast-check";
import { EditWriter } from "./random-edits.ts";
import type { Piece } from "./random-expressions.ts";

export class OperatorWriter extends EditWriter {
  protected operator(): Piece {
    const doc = this.pick([null, "Does it.", "Two\nlines", ""]);
    const [name, place, body] = [this.ident(), this.ident(), this.body(2)];
    const hasPlace = this.chance();
    let count = 0;
    const formals = this.separated(
      this.some(0, 6, () => {
        const [type, value] = [this.ident(), this.expr()];
        // No two of one name, which the parser reports.
        const formal = `p${count++}`;
        const given = this.chance();
        const tree = {
          name: { name: formal },
          type: type.tree,
          default: given ? value.tree : null,
        };
        const words = [formal, ":", ...type.words, ...(given ? ["=", ...value.words] : [])];
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

  protected body(depth: number): Piece {
    const lines = this.some(0, 4, () => this.line(depth));
    const words = ["{", ...lines.flatMap((line) => line.words), "}"];
    return { words, tree: { lines: lines.map((line) => line.tree) } };
  }

  protected line(depth: number): Piece {
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

  protected branch(depth: number): Piece {
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

  protected clause(word: string): Piece {
    const value = this.expr();
    return this.chance()
      ? { words: [word, ...value.words], tree: value.tree }
      : { words: [], tree: null };
  }

  protected storedName(): Piece {
    const value = this.string();
    return this.chance()
      ? { words: ["as", ...value.words], tree: value.tree }
      : { words: [], tree: null };
  }

  protected names(): Piece<unknown[]> {
    return this.separated(
      this.some(1, 3, () => this.ident()),
      ",",
    );
  }

  protected assign(): Piece {
    const [names, value] = [this.names(), this.expr()];
    const tree = { kind: "assign", names: names.tree, value: value.tree };
    return { words: [...names.words, "=", ...value.words], tree };
  }

  protected rewrite(): Piece {
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

  protected pattern(depth: number): Piece {
    const options = this.some(1, 2, () => this.patternAtom(depth));
    const { words, tree } = this.separated(options, "|");
    return { words, tree: tree.length === 1 ? tree[0] : { kind: "alternatives", options: tree } };
  }

  protected signed(): Piece<number> {
    const [number, minus] = [this.number(), this.chance()];
    const { value } = number.tree as { value: number };
    return minus ? { words: ["-", ...number.words], tree: -value } : { ...number, tree: value };
  }

  protected patternAtom(depth: number): Piece {
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
}
