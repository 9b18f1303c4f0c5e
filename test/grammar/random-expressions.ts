/** Random expressions of the language, each with the tree that it must have. */
import fc, { type GeneratorValue } from "fast-check";

/** The words of a piece of text, and its tree without spans. */
export interface Piece<T = unknown> {
  readonly words: readonly string[];
  readonly tree: T;
}

const names = ["x", "host", "D", "attn", "mlp", "kernel", "fc1", "_", "Qkv", "by", "to", "merge"];
const words = [...names, "times", "from", "init", "all", "first", "replace", "expect", "weight"];
const texts: readonly [string, string][] = [
  ['"a b"', "a b"],
  ['"x.*.y"', "x.*.y"],
  ['"\\"\\\\\\n"', '"\\\n'],
  ['"// no comment"', "// no comment"],
  ['""', ""],
];
const numbers: readonly [string, number, boolean][] = [
  ["0", 0, true],
  ["12", 12, true],
  ["007", 7, true],
  ["0.5", 0.5, false],
  ["1e-4", 1e-4, false],
  ["2.5E+3", 2500, false],
  ["640M", 640e6, false],
  ["1.1k", 1100, false],
  ["5G", 5e9, false],
];
const percents: readonly [string, number][] = [
  ["50%", 0.5],
  ["33.3%", 0.333],
  ["1e1%", 0.1],
];
export class ExpressionWriter {
  protected readonly g: GeneratorValue;
  private room = 40;
  private depth = 0;

  constructor(g: GeneratorValue) {
    this.g = g;
  }

  protected pick<T>(values: readonly T[]): T {
    return values[this.g(fc.nat, { max: values.length - 1 })]!;
  }

  protected chance(): boolean {
    return this.g(fc.boolean);
  }

  protected some<T>(least: number, most: number, make: () => Piece<T>): Piece<T>[] {
    const count = this.g(fc.integer, { min: least, max: most });
    return Array.from({ length: count }, make);
  }

  protected separated<T>(pieces: readonly Piece<T>[], separator: string): Piece<T[]> {
    return {
      words: pieces.flatMap((piece, i) => (i > 0 ? [separator, ...piece.words] : piece.words)),
      tree: pieces.map((piece) => piece.tree),
    };
  }

  protected ident(): Piece<{ name: string }> {
    const name = this.pick(names);
    return { words: [name], tree: { name } };
  }

  protected number(): Piece {
    const [text, value, integer] = this.pick(numbers);
    return { words: [text], tree: { kind: "number", value, integer } };
  }

  protected int(): Piece<{ value: number }> {
    const [text, value] = this.pick(numbers.slice(0, 3));
    return { words: [text], tree: { kind: "number", value, integer: true } as never };
  }

  protected percent(): Piece {
    const [text, value] = this.pick(percents);
    return { words: [text], tree: { kind: "percent", value } };
  }

  protected string(): Piece<{ kind: "string"; value: string }> {
    const [text, value] = this.pick(texts);
    return { words: [text], tree: { kind: "string", value } };
  }

  protected name(domain = ""): Piece {
    const { name } = this.ident().tree;
    const tree = { kind: "name", domain, name };
    return { words: domain === "" ? [name] : [`${domain}::`, name], tree };
  }

  private atom(): Piece {
    const makers = [
      () => this.number(),
      () => this.percent(),
      () => this.string(),
      () => this.name(),
      () => this.name(),
      () => this.name("com.microsoft"),
      () => this.list(),
    ];
    return this.pick(makers)();
  }

  protected list(): Piece {
    const items = this.separated(
      this.some(0, 3, () => this.expr()),
      ",",
    );
    return { words: ["[", ...items.words, "]"], tree: { kind: "list", items: items.tree } };
  }

  /** What is no atom is put in parentheses where it is part of something. */
  private operand(): Piece {
    const inner = this.expr();
    const { kind } = inner.tree as { kind: string };
    const simple = kind !== "unary" && kind !== "binary";
    return simple && this.chance() ? inner : { ...inner, words: ["(", ...inner.words, ")"] };
  }

  protected expr(): Piece {
    this.room -= 1;
    if (this.room < 0 || this.depth > 9) return this.atom();
    this.depth += 1;
    const makers = [
      () => this.atom(),
      () => this.atom(),
      () => this.unary(),
      () => this.binary(),
      () => this.binary(),
      () => this.member(),
      () => this.call(),
      () => this.call(),
      () => this.subscript(),
    ];
    const piece = this.pick(makers)();
    this.depth -= 1;
    return piece;
  }

  private unary(): Piece {
    const op = this.pick(["-", "not"]);
    const operand = this.operand();
    const tree = { kind: "unary", op, operand: operand.tree };
    return { words: [op, ...operand.words], tree };
  }

  private binary(): Piece {
    const arithmetic = ["+", "-", "*", "/", "@", "**"];
    const op = this.pick([...arithmetic, "<", "<=", ">", ">=", "==", "!=", "and", "or"]);
    const [left, right] = [this.operand(), this.operand()];
    const tree = { kind: "binary", op, left: left.tree, right: right.tree };
    return { words: [...left.words, op, ...right.words], tree };
  }

  /** Where comparisons and `and` are not allowed without parentheses. */
  protected sum(): Piece {
    if (this.chance()) return this.operand();
    const op = this.pick(["+", "-", "*", "/", "@", "**"]);
    const [left, right] = [this.operand(), this.operand()];
    const tree = { kind: "binary", op, left: left.tree, right: right.tree };
    return { words: [...left.words, op, ...right.words], tree };
  }

  private member(): Piece {
    const object = this.operand();
    const word = this.pick(words);
    const number = (object.tree as { kind: string }).kind === "number";
    const inner = number ? ["(", ...object.words, ")"] : object.words;
    const tree = { kind: "member", object: object.tree, name: { name: word } };
    return { words: [...inner, ".", word], tree };
  }

  private call(): Piece {
    const callee = this.operand();
    const args = this.args();
    const tree = { kind: "call", callee: callee.tree, args: args.tree };
    return { words: [...callee.words, ...args.words], tree };
  }

  protected args(): Piece<unknown[]> {
    const free = [...words];
    const args = this.some(0, 3, () => {
      const value = this.expr();
      const word = this.chance()
        ? free.splice(this.g(fc.nat, { max: free.length - 1 }), 1)[0]
        : null;
      const tree = { name: word ? { name: word } : null, value: value.tree };
      return { words: word ? [word, ":", ...value.words] : value.words, tree };
    });
    const { words: inner, tree } = this.separated(args, ",");
    return { words: ["(", ...inner, ")"], tree };
  }

  private subscript(): Piece {
    const object = this.operand();
    const items = this.separated(
      this.some(1, 3, () => this.slice()),
      ",",
    );
    const tree = { kind: "subscript", object: object.tree, items: items.tree };
    return { words: [...object.words, "[", ...items.words, "]"], tree };
  }

  private slice(): Piece {
    const form = this.g(fc.nat, { max: 4 });
    if (form === 0) return { words: [".."], tree: { kind: "ellipsis" } };
    const [a, b] = [this.expr(), this.expr()];
    if (form === 1) return { words: a.words, tree: { kind: "index", value: a.tree } };
    const from = form === 2 ? null : a;
    const to = form === 3 ? null : b;
    const tree = { kind: "slice", from: from?.tree ?? null, to: to?.tree ?? null };
    return { words: [...(from?.words ?? []), ":", ...(to?.words ?? [])], tree };
  }
}
