/** Sums of products over named axes. */
import type { Dim } from "../ir/types.ts";
import { type OpLiteral, ranked, unify } from "./op.ts";
import { type Vjp, vjp } from "./vjp.ts";
import type { Wire } from "./wire.ts";

export interface Equation {
  /** One letter an axis. */
  readonly terms: readonly string[];
  readonly output: string;
}

/** With letters in the place of `...`, aligned at its end as NumPy aligns; null: it has no such form. */
export function equationOf(text: string, ranks: readonly number[]): Equation | null {
  const [left, right, ...more] = text.replace(/\s/g, "").split("->");
  const given = left!.split(",");
  if (given.length !== ranks.length || more.length > 0) return null;
  const free = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZ"].filter((letter) => !text.includes(letter));
  const hidden = given.map((term, i) =>
    term.includes("...") ? ranks[i]! - term.length + "...".length : 0,
  );
  const most = free.slice(0, Math.max(...hidden)).join("");
  const spelt = (term: string, count: number) =>
    term.replace("...", most.slice(most.length - count));
  const terms = given.map((term, i) => spelt(term, hidden[i]!));
  const once = [...new Set(left!.replace(/[^a-zA-Z]/g, ""))]
    .filter((letter) => left!.split(letter).length === 2)
    .sort();
  const output = right === undefined ? most + once.join("") : spelt(right, most.length);
  return { terms, output };
}

function dimsOf({ terms }: Equation, shapes: readonly (readonly Dim[])[]): Map<string, Dim> {
  const dims = new Map<string, Dim>();
  terms.forEach((term, i) => {
    [...term].forEach((letter, axis) => {
      const dim = shapes[i]![axis]!;
      const known = dims.get(letter);
      dims.set(
        letter,
        known === undefined || known === 1 ? dim : dim === 1 ? known : unify(known, dim),
      );
    });
  });
  return dims;
}

/** A sum of products in its fewest passes: one product of matrices where the letters lie so. */
function contract(wires: readonly Wire[], { terms, output }: Equation): Wire {
  const [a, b] = wires;
  const [left, right] = terms;
  const batch = output.slice(0, -2);
  const [row, column] = output.slice(-2);
  const lies = (term: string, x: string, y: string) => term === batch + x + y;
  const sum = [...left!].find((letter) => !output.includes(letter));
  const transA = sum !== undefined && row !== undefined && lies(left!, sum, row);
  const transB = sum !== undefined && column !== undefined && lies(right ?? "", column, sum);
  const isProduct =
    wires.length === 2 &&
    sum &&
    row &&
    column &&
    (transA || lies(left!, row, sum)) &&
    (transB || lies(right!, sum, column));
  if (isProduct) return a!.matmul(b!, { transA, transB });
  return a!.grower.one("Einsum", wires, {
    attributes: { equation: `${terms.join(",")}->${output}` },
  });
}

/**
 * The gradient of an operand is the sum of products of the others with dy; along axes that it alone
 * has and that were summed, it is the same everywhere. A diagonal has no rule.
 */
const einsumRule: Vjp = vjp(({ dy, x, attributes, refuse }) => {
  const ranks = x.map(({ rank }) => rank);
  const equation = equationOf(attributes.string("equation") ?? "", ranks);
  if (!equation) return refuse("its equation has another number of operands");
  const { terms, output } = equation;
  if (terms.some((term) => new Set(term).size < term.length)) refuse("it takes a diagonal");
  return x.map((_, i) => {
    const others = terms.filter((_, j) => j !== i);
    const there = new Set([output, ...others].join(""));
    const letters = [...terms[i]!];
    const lost = letters.flatMap((letter, axis) => (there.has(letter) ? [] : [axis]));
    const kept = letters.filter((letter) => there.has(letter)).join("");
    const wires = [dy, ...x.filter((_, j) => j !== i)];
    return contract(wires, { terms: [output, ...others], output: kept }).unsqueeze(lost);
  });
});

export const einsum: OpLiteral = {
  op: "Einsum",
  infer: ranked((inputs, { attributes }) => {
    const shapes = inputs.map(({ shape }) => shape);
    const ranks = shapes.map(({ length }) => length);
    const equation = equationOf(attributes.string("equation") ?? "", ranks);
    if (!equation) return null;
    const dims = dimsOf(equation, shapes);
    const shape = [...equation.output].map((letter) => dims.get(letter) ?? null);
    return [{ dtype: inputs[0]!.dtype, shape }];
  }),
  vjp: einsumRule,
};
