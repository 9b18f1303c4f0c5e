/**
 * The formatter. It prints the tokens and comments of a text, all of them in their order, and
 * decides on nothing but the white space between: width 100, two spaces, one statement or line of
 * an operator a line, what does not fit broken at its outermost brackets or weakest operators.
 */
import type { TokenType } from "chevrotain";
import type { SourceText } from "../src/diag/span.ts";
import { alignLines } from "./alignment.ts";
import type * as ast from "./ast.ts";
import { gapsOf } from "./comments.ts";
import { type Doc, group, indent, printDoc, token } from "./doc.ts";
import {
  branching,
  closingJoint,
  joint,
  type Separator,
  type Stream,
  spaced,
  tight,
} from "./joints.ts";
import { type Layout, layoutOf } from "./layout.ts";
import { type Spacing, spacingOf } from "./spacing.ts";
import { isCloser, isKeyword, isNameKeyword, isOpener, type Tokens, t } from "./tokens.ts";

const width = 100;

/** Inside of `(` and `[`, inside of a record's `{`, after a comma, after an operator. */
const soft: Separator = { flat: "", breaks: "maybe", blank: false };
const padded: Separator = { flat: " ", breaks: "maybe", blank: false };
const listed: Separator = { flat: " ", breaks: "maybe", blank: true };
/** Before the first line of a block or behind its last; between two lines. */
const edge: Separator = { flat: "", breaks: "always", blank: false };
const below: Separator = { flat: "", breaks: "always", blank: true };

interface Text extends Stream {
  readonly layout: Layout;
  readonly spacing: readonly Spacing[];
  /** Spaces to add before a token. */
  readonly padding: Map<number, number>;
}

/** Tokens by their index, and brackets with what is in them. */
type Node = Leaf | Bracket;

interface Leaf {
  readonly kind: "leaf";
  readonly first: number;
}

interface Bracket {
  readonly kind: "list" | "block" | "rewrite";
  readonly first: number;
  last: number;
  readonly nodes: Node[];
}

/** The brackets of a file, nested. Braces are records but in operators and rewrites. */
function treeOf({ tokens, layout }: Text): Node[] {
  const roots: Node[] = [];
  const open: { bracket: Bracket; nodes: Node[] }[] = [];
  let nodes = roots;
  let statement = tokens[0]?.tokenType;
  for (const [first, token] of tokens.entries()) {
    if (open.length === 0 && layout.lines.has(token.startOffset)) statement = token.tokenType;
    if (isOpener(token)) {
      const braces =
        statement === t.operator ? "block" : statement === t.rewrite ? "rewrite" : "list";
      const kind = token.image === "{" ? braces : "list";
      const bracket: Bracket = { kind, first, last: first, nodes: [] };
      nodes.push(bracket);
      open.push({ bracket, nodes });
      nodes = bracket.nodes;
    } else if (isCloser(token)) {
      const closed = open.pop()!;
      closed.bracket.last = first;
      nodes = closed.nodes;
    } else nodes.push({ kind: "leaf", first });
  }
  return roots;
}

/** Splits before every node that `begins` a part. */
function split(nodes: readonly Node[], begins: (node: Node) => boolean): Node[][] {
  const parts: Node[][] = [];
  for (const node of nodes) {
    if (parts.length === 0 || begins(node)) parts.push([]);
    parts.at(-1)!.push(node);
  }
  return parts;
}

/** From the weakest: where a text that does not fit breaks first. */
const strengths = new Map(
  [
    [t[","]],
    [t["|"]],
    [t.or],
    [t.and],
    [t["=="], t["!="], t["<"], t["<="], t[">"], t[">="]],
    [t["+"], t["-"]],
    [t["*"], t["/"], t["@"]],
    [t["**"]],
  ].flatMap((types, strength) => types.map((type): [TokenType, number] => [type, strength])),
);

/** Prints `source`, whose tokens and tree these are. Ends with a line end, where there is text. */
export function print(source: SourceText, { tokens, comments }: Tokens, file: ast.File): string {
  const layout = layoutOf(file);
  const text: Text = {
    ...{ source, tokens, layout, gaps: gapsOf(source, tokens, comments) },
    ...{ spacing: spacingOf(tokens, layout.operands), padding: new Map() },
  };
  const docs = printLines(text, treeOf(text), below);
  if (text.gaps.has(source.text.length)) docs.push(joint(text, tokens.length, below));
  const printed = printDoc(docs, width).trimEnd();
  return printed === "" ? "" : `${printed}\n`;
}

/** Statements, or lines of an operator, below each other. */
function printLines(text: Text, nodes: readonly Node[], first: Separator): Doc[] {
  const lines = split(nodes, ({ first }) => text.layout.lines.has(text.tokens[first]!.startOffset));
  const firsts = lines.map((line) => line[0]!.first);
  for (const [i, spaces] of alignLines(text, firsts)) text.padding.set(i, spaces);
  return lines.flatMap((line, i) => [
    joint(text, line[0]!.first, i === 0 ? first : below),
    printClauses(text, line),
  ]);
}

const clauseWords = new Set([t.match, t.where, t.with]);

/** The clauses of a rewrite, what they hold in one column. */
function printRewrite(text: Text, nodes: readonly Node[]): Doc[] {
  const { tokens, layout, padding } = text;
  const opens = (i: number) => {
    const word = tokens[i - 1]?.tokenType === t["."];
    return !word && clauseWords.has(tokens[i]!.tokenType);
  };
  const clauses = split(nodes, ({ first }) => {
    const begins = layout.lines.has(tokens[first]!.startOffset) && !opens(first - 1);
    return opens(first) || begins;
  });
  return clauses.map((clause, i) => {
    const [head] = clause as [Node];
    if (tokens[head.first]!.tokenType === t.with) padding.set(head.first + 1, 1);
    const docs = [joint(text, head.first, i === 0 ? edge : below), printClauses(text, clause)];
    return opens(head.first) ? docs : indent(docs, "match ".length);
  });
}

/** A line, or an item of a list: expressions between the words and signs that divide it. */
function printClauses(text: Text, nodes: readonly Node[]): Doc[] {
  const docs: Doc[] = [];
  let expression: Node[] = [];
  const close = () => {
    const [first] = expression;
    if (first !== undefined) docs.push(before(text, first), printChain(text, expression));
    expression = [];
  };
  for (const node of nodes) {
    if (divides(text, node)) {
      close();
      docs.push(before(text, node), printNode(text, node));
    } else expression.push(node);
  }
  close();
  return docs.slice(1);
}

const dividers = new Set([t["="], t[":"], t[".."], t["{"]]);
const wordOperators = new Set([t.and, t.or, t.not]);

function divides({ tokens }: Text, { first }: Node): boolean {
  const token = tokens[first]!;
  if (tokens[first - 1]?.tokenType === t["."] || wordOperators.has(token.tokenType)) return false;
  return (isKeyword(token) && !isNameKeyword(token)) || dividers.has(token.tokenType);
}

/** An expression, which breaks behind its weakest operators. */
function printChain(text: Text, nodes: readonly Node[]): Doc {
  let weakest = Number.POSITIVE_INFINITY;
  for (const node of nodes.slice(1)) weakest = Math.min(weakest, strengthOf(text, node));
  if (weakest === Number.POSITIVE_INFINITY) {
    return nodes.map((node, i) =>
      i === 0 ? printNode(text, node) : [before(text, node), printNode(text, node)],
    );
  }
  const [head, ...tail] = split(nodes, (node) => strengthOf(text, node) === weakest);
  const rest = tail.map(([operator, ...operand]) => [
    [before(text, operator!), printNode(text, operator!)],
    joint(text, operand[0]!.first, padded),
    printChain(text, operand),
  ]);
  return group([printChain(text, head!), indent(rest)]);
}

/** Of an infix operator; infinite for all else. */
function strengthOf({ tokens, spacing }: Text, { first }: Node): number {
  const word = tokens[first - 1]?.tokenType === t["."];
  const strength = strengths.get(tokens[first]!.tokenType);
  if (strength === undefined || word || spacing[first]!.sign) return Number.POSITIVE_INFINITY;
  return strength;
}

function printNode(text: Text, node: Node): Doc {
  return node.kind === "leaf" ? printToken(text, node.first) : printBracket(text, node);
}

function printToken({ tokens }: Text, i: number): Doc {
  return token(tokens[i]!.image, tokens[i]!.startOffset);
}

/** What stands before a token in the middle of a line. */
function before(text: Text, { first }: Node): Doc {
  const { tokens } = text;
  const branches = tokens[first]!.tokenType === t.else && tokens[first - 1]?.tokenType === t["}"];
  const apart = branches ? branching : spaced;
  const space = joint(text, first, text.spacing[first]!.tight ? tight : apart);
  const padding = text.padding.get(first) ?? 0;
  return padding === 0 ? space : [space, " ".repeat(padding)];
}

function printBracket(text: Text, { kind, first, last, nodes }: Bracket): Doc {
  const open = printToken(text, first);
  const close = printToken(text, last);
  const { image } = text.tokens[first]!;
  if (nodes.length === 0 && !text.gaps.has(text.tokens[last]!.startOffset)) return [open, close];
  if (kind !== "list") {
    const lines = kind === "block" ? printLines(text, nodes, edge) : printRewrite(text, nodes);
    return [open, indent(lines), closingJoint(text, last, edge), close];
  }
  const inside = image === "{" ? padded : soft;
  const [head, ...tail] = split(nodes, (node) => text.tokens[node.first]!.tokenType === t[","]);
  const fills = image === "[" && nodes.every((node) => node.kind === "leaf");
  const rest = tail.map(([comma, ...item]) => {
    const next = [joint(text, item[0]!.first, listed), printClauses(text, item)];
    return [before(text, comma!), printNode(text, comma!), fills ? group(next) : next];
  });
  const items =
    head === undefined ? [] : [joint(text, head[0]!.first, inside), printClauses(text, head), rest];
  return group([open, indent(items), closingJoint(text, last, inside), close]);
}
