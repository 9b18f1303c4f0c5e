import { binary } from "./arithmetic.ts";
import { modulo } from "./functions-elementwise.ts";
import { range } from "./library-make.ts";
import { concat, gather, slice } from "./movement.ts";
import type { Ground } from "./placement.ts";
import { sizeValue, type Tensor } from "./values.ts";

/** Moves elements of an axis on by `shift`, and those beyond its end to its beginning. */
export function roll(ground: Ground, x: Tensor, shift: number, axis: number): Tensor {
  const size = x.shape[axis]!;
  if (shift === 0 || size === 0) return x;
  if (typeof size !== "number") {
    const from = binary(ground, "-", range(ground, 0, size, 1), shift);
    return gather(ground, x, modulo(ground, from, sizeValue(size)) as Tensor, axis);
  }
  const cut = ((-shift % size) + size) % size;
  if (cut === 0) return x;
  const head = slice(ground, x, [{ axis, from: 0, to: cut }]);
  const tail = slice(ground, x, [{ axis, from: cut, to: size }]);
  return concat(ground, [tail, head], axis);
}
