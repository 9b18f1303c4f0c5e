/** Sizes that quotients are part of, `N/8 + 1`, as one whole size over another. */
import { addDims, dimOf, divideDims, type Extent, multiplyDims, termsOf } from "./dims.ts";

/** above / below, in which no atom is a quotient. */
export interface Fraction {
  readonly above: Extent;
  readonly below: Extent;
}

/** @param quotients the atoms that stand for one. */
export function fractionOf(dim: Extent, quotients: ReadonlyMap<string, Fraction>): Fraction {
  const terms = termsOf(dim).map(({ factor, atoms }) => {
    const whole = dimOf([{ factor, atoms: atoms.filter((atom) => !quotients.has(atom)) }]);
    const parts = atoms.flatMap((atom) => quotients.get(atom) ?? []);
    return parts.reduce(times, { above: whole, below: 1 });
  });
  return terms.reduce(plus, { above: 0, below: 1 });
}

/** a / b. */
export function over(a: Fraction, b: Fraction): Fraction {
  const { above, below } = times(a, { above: b.below, below: b.above });
  const exact = divideDims(above, below);
  return exact === undefined ? positive(above, below) : { above: exact, below: 1 };
}

/** The two over one denominator. */
export function level(a: Fraction, b: Fraction): { a: Extent; b: Extent; below: Extent } {
  if (a.below === b.below) return { a: a.above, b: b.above, below: a.below };
  const below = product(a.below, b.below);
  return { a: product(a.above, b.below), b: product(b.above, a.below), below };
}

function plus(x: Fraction, y: Fraction): Fraction {
  const { a, b, below } = level(x, y);
  return { above: addDims(a, b) as Extent, below };
}

function times(a: Fraction, b: Fraction): Fraction {
  return { above: product(a.above, b.above), below: product(a.below, b.below) };
}

function product(a: Extent, b: Extent): Extent {
  return multiplyDims(a, b) as Extent;
}

/** The sign stands above. */
function positive(above: Extent, below: Extent): Fraction {
  if (typeof below === "string" || below > 0) return { above, below };
  return { above: product(above, -1), below: -below };
}
