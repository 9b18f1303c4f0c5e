/** Numbers that test/fixtures/train/gradients.py makes of names as well. */
import { elements } from "../../src/ir/types.ts";

/** In [-0.5, 0.5), float64. */
export function numbersOf(name: string, count: number): Float64Array {
  let seed = 2166136261;
  for (const code of new TextEncoder().encode(name)) seed = Math.imul(seed ^ code, 16777619);
  return Float64Array.from({ length: count }, (_, i) => {
    let x = Math.imul(i ^ seed, 0x9e3779b1);
    x = Math.imul(x ^ (x >>> 15), 0x85ebca77);
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae3d);
    return ((x ^ (x >>> 16)) >>> 0) / 2 ** 32 - 0.5;
  });
}

export function tensorOf(name: string, shape: readonly number[], scale = 1): Float32Array {
  return Float32Array.from(numbersOf(name, elements(shape)), (x) => scale * x);
}

/** A matrix the other way round. */
export function turned(values: Float32Array, [rows, columns]: readonly number[]): Float32Array {
  return Float32Array.from(values, (_, i) => {
    const [row, column] = [i % rows!, Math.floor(i / rows!)];
    return values[row * columns! + column]!;
  });
}

/** A gradient as it is kept: its norm, and its products with two vectors of signs. */
export function marksOf(name: string, gradient: Float32Array): readonly number[] {
  const products = [1, 2].map((i) => {
    const signs = numbersOf(`${name} ${i}`, gradient.length).map(Math.sign);
    return gradient.reduce((sum, g, k) => sum + g * signs[k]!, 0);
  });
  return [Math.sqrt(gradient.reduce((sum, g) => sum + g * g, 0)), ...products];
}
