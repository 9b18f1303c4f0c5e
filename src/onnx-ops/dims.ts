/**
 * Arithmetic on sizes. A symbolic size is a polynomial with whole coefficients over named atoms,
 * written the one way that equal polynomials share: `2*batch`, `B*N + 1`, `8*ceil(N/8)`. So equal
 * strings are equal sizes. What meets `null`, which is unknown, is unknown.
 */
import type { Dim } from "../ir/types.ts";

/** A size is a number, or a symbolic one by its canonical name. */
export type Extent = number | string;

/** As the end of a slice: all that is there. */
export const endless = 2 ** 31 - 1;

/** `factor` times the product of `atoms`, which are sorted. */
export interface Term {
  readonly factor: number;
  readonly atoms: readonly string[];
}

/** The terms of a size; a constant is the term without atoms, zero is none. */
export function termsOf(dim: number | string): readonly Term[] {
  if (typeof dim === "number") return dim === 0 ? [] : [{ factor: dim, atoms: [] }];
  return splitOutside(dim, / ([+-]) /y).map(({ sign, text }) => {
    const negated = text.startsWith("-");
    const factors = splitOutside(negated ? text.slice(1) : text, /(\*)/y).map((f) => f.text);
    const numbers = factors.filter((factor) => /^\d+$/.test(factor)).map(Number);
    const factor = numbers.reduce((a, b) => a * b, negated !== (sign === "-") ? -1 : 1);
    return { factor, atoms: factors.filter((f) => !/^\d+$/.test(f)).sort() };
  });
}

/** The size that the terms add up to, in its one form. */
export function dimOf(terms: Iterable<Term>): number | string {
  const sums = new Map<string, Term>();
  for (const { factor, atoms } of terms) {
    const key = atoms.join("*");
    sums.set(key, { factor: factor + (sums.get(key)?.factor ?? 0), atoms });
  }
  const rest = [...sums.values()].filter(({ factor }) => factor !== 0);
  if (rest.every(({ atoms }) => atoms.length === 0)) return rest[0]?.factor ?? 0;
  rest.sort((a, b) => b.atoms.length - a.atoms.length || (showTerm(a) < showTerm(b) ? -1 : 1));
  return rest.reduce((text, term) => {
    const shown = showTerm({ ...term, factor: Math.abs(term.factor) });
    if (text === "") return term.factor < 0 ? `-${shown}` : shown;
    return `${text} ${term.factor < 0 ? "-" : "+"} ${shown}`;
  }, "");
}

export function addDims(a: Dim, b: Dim): Dim {
  if (a === null || b === null) return null;
  if (typeof a === "number" && typeof b === "number") return a + b;
  return dimOf([...termsOf(a), ...termsOf(b)]);
}

export function subtractDims(a: Dim, b: Dim): Dim {
  return addDims(a, multiplyDims(b, -1));
}

export function multiplyDims(a: Dim, b: Dim): Dim {
  if (a === null || b === null) return null;
  if (typeof a === "number" && typeof b === "number") return a * b;
  const right = termsOf(b);
  return dimOf(
    termsOf(a).flatMap((x) =>
      right.map((y) => ({
        factor: x.factor * y.factor,
        atoms: [...x.atoms, ...y.atoms].sort(),
      })),
    ),
  );
}

export function productOf(dims: readonly Dim[]): Dim {
  return dims.reduce<Dim>(multiplyDims, 1);
}

/** a / b where that is a whole size whatever the atoms are: each term divided by one term. */
export function divideDims(a: Dim, b: Dim): number | string | undefined {
  if (a === null || b === null) return undefined;
  const divisors = termsOf(b);
  const divisor = divisors[0];
  if (!divisor) return undefined;
  if (divisors.length > 1) return a === b ? 1 : undefined;
  const terms: Term[] = [];
  for (const { factor, atoms } of termsOf(a)) {
    const rest = [...atoms];
    for (const atom of divisor.atoms) {
      const at = rest.indexOf(atom);
      if (at < 0) return undefined;
      rest.splice(at, 1);
    }
    if (!Number.isInteger(factor / divisor.factor)) return undefined;
    terms.push({ factor: factor / divisor.factor, atoms: rest });
  }
  return dimOf(terms);
}

/** a / b where one is a multiple of the other whatever the atoms are: 1.5 for `3*B` and `2*B`. */
export function ratioOf(a: Dim, b: Dim): number | undefined {
  if (a === null || b === null) return undefined;
  const divisors = new Map(termsOf(b).map((term) => [term.atoms.join("*"), term.factor]));
  const terms = termsOf(a);
  const ratios = terms.map(({ atoms, factor }) => factor / (divisors.get(atoms.join("*")) ?? 0));
  if (terms.length !== divisors.size || new Set(ratios).size !== 1) return undefined;
  return Number.isFinite(ratios[0]!) ? ratios[0] : undefined;
}

/** Sums, products and signs need parentheses inside an atom. */
export function grouped(dim: Extent): string {
  return /^-|[ *]/.test(String(dim)) ? `(${dim})` : String(dim);
}

/** Pieces between separators that stand outside of all parentheses. */
function splitOutside(text: string, separator: RegExp): { sign: string; text: string }[] {
  const pieces: { sign: string; text: string }[] = [];
  let depth = 0;
  let start = 0;
  let sign = "+";
  for (let i = 0; i < text.length; i++) {
    if (text[i] === "(") depth++;
    if (text[i] === ")") depth--;
    if (depth > 0) continue;
    separator.lastIndex = i;
    const found = separator.exec(text);
    if (!found) continue;
    pieces.push({ sign, text: text.slice(start, i) });
    sign = found[1]!;
    start = i + found[0].length;
    i = start - 1;
  }
  return [...pieces, { sign, text: text.slice(start) }];
}

function showTerm({ factor, atoms }: Term): string {
  if (atoms.length === 0) return String(factor);
  return factor === 1 ? atoms.join("*") : `${factor}*${atoms.join("*")}`;
}
