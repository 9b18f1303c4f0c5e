/**
 * Random files together with the tree they must have: written from grammar.md alone, so that the
 * parser is held against it. Words are joined by random white space and comments.
 */
import fc, { type GeneratorValue } from "fast-check";
import type { Piece } from "./random-expressions.ts";
import { OperatorWriter } from "./random-operators.ts";

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

class FileWriter extends OperatorWriter {
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
