/** What a size is in terms of the symbols, told from the values that it took. */
import type { Dim } from "../../src/ir/types.ts";
import { dimOf } from "../../src/onnx-ops/dims.ts";
import type { Sizes } from "./symbols.ts";

const mostFactors = 3;

/**
 * Explains the values that one size took under several `trials` of the same symbols: a number, a
 * multiple or a part of a product of names, the same plus a constant, or a sum of two.
 * @returns null where nothing simple fits. With one trial everything would, so take two or more.
 */
export function explain(values: readonly number[], trials: readonly Sizes[]): Dim {
  if (values.every((value) => value === values[0])) return values[0]!;
  const products = productsOf(trials);
  for (const each of products) {
    const dim = proportional(values, each);
    if (dim !== undefined) return dim;
  }
  if (values.length < 3) return null;
  for (const each of products) {
    const dim = shifted(values, each);
    if (dim !== undefined) return dim;
  }
  for (const [i, a] of products.entries()) {
    for (const b of products.slice(i + 1)) {
      const rest = values.map((value, k) => value - a.values[k]! - b.values[k]!);
      if (rest.every((r) => r === rest[0])) {
        return dimOf([term(1, a.atoms), term(1, b.atoms), term(rest[0]!, [])]);
      }
    }
  }
  return null;
}

interface Product {
  readonly atoms: readonly string[];
  /** Under each trial. */
  readonly values: readonly number[];
}

const known = new WeakMap<readonly Sizes[], readonly Product[]>();

/** Products of up to three names, single names first. */
function productsOf(trials: readonly Sizes[]): readonly Product[] {
  const cached = known.get(trials);
  if (cached) return cached;
  const names = [...(trials[0]?.keys() ?? [])];
  const levels: Product[][] = [[{ atoms: [], values: trials.map(() => 1) }]];
  // With many names triples would be too many to try on each size.
  for (let degree = 1; degree <= (names.length > 8 ? 2 : mostFactors); degree++) {
    levels.push(
      levels[degree - 1]!.flatMap(({ atoms, values }) =>
        names
          .filter((name) => names.indexOf(name) >= names.indexOf(atoms.at(-1) ?? name))
          .map((name) => ({
            atoms: [...atoms, name],
            values: values.map((value, k) => value * trials[k]!.get(name)!),
          })),
      ),
    );
  }
  const products = levels.slice(1).flat();
  known.set(trials, products);
  return products;
}

function term(factor: number, atoms: readonly string[]) {
  return { factor, atoms };
}

/** `2*batch`, `batch*seq`, `(height/2)*(width/2)`: one ratio whatever the sizes are. */
function proportional(values: readonly number[], product: Product): Dim | undefined {
  const divisor = gcd(values[0]!, product.values[0]!);
  const up = values[0]! / divisor;
  const down = product.values[0]! / divisor;
  if (up === 0 || !values.every((value, k) => value * down === product.values[k]! * up)) {
    return undefined;
  }
  return dimOf([term(up, divided(product.atoms, down))]);
}

/** `seq + 1`, `2*seq - 1`, `(height/2) + 4`. */
function shifted(values: readonly number[], product: Product): Dim | undefined {
  const run = product.values[1]! - product.values[0]!;
  const rise = values[1]! - values[0]!;
  const divisor = gcd(Math.abs(rise), Math.abs(run));
  if (run === 0 || divisor === 0) return undefined;
  const [up, down] = run < 0 ? [-rise / divisor, -run / divisor] : [rise / divisor, run / divisor];
  const offset = values[0]! - (up * product.values[0]!) / down;
  const fits = values.every((value, k) => (value - offset) * down === up * product.values[k]!);
  if (!Number.isInteger(offset) || up <= 0 || !fits) return undefined;
  return dimOf([term(up, divided(product.atoms, down)), term(offset, [])]);
}

/**
 * A product of names divided by `down`: evenly over those that come last where it is a power, as
 * rows and columns of patches are, or else as one.
 */
function divided(atoms: readonly string[], down: number): string[] {
  if (down === 1) return [...atoms];
  for (let count = atoms.length; count > 0; count--) {
    const each = Math.round(down ** (1 / count));
    if (each < 2 || each ** count !== down) continue;
    const whole = atoms.slice(0, -count);
    return [...whole, ...atoms.slice(-count).map((atom) => `(${atom}/${each})`)].sort();
  }
  return [`(${atoms.join("*")}/${down})`];
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}
