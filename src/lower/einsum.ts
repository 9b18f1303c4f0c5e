/** Sums of products over named axes. */
import { equationOf } from "../onnx-ops/einsum.ts";
import { mayEqual, refuse } from "../onnx-ops/op.ts";
import { asWire, grow } from "./grow.ts";
import type { Ground } from "./placement.ts";
import type { Extent, Tensor } from "./values.ts";

/** @throws GraftError where the equation does not fit the shapes. */
export function einsum(ground: Ground, equation: string, operands: readonly Tensor[]): Tensor {
  const ranks = operands.map(({ shape }) => shape.length);
  const form = equationOf(equation, ranks);
  if (!form) {
    refuse("einsum", operands, `"${equation}" is no equation of ${operands.length} tensors`);
  }
  const sizes = new Map<string, Extent>();
  form.terms.forEach((term, i) => {
    const { shape } = operands[i]!;
    if (!/^[a-zA-Z]*$/.test(term) || term.length !== shape.length) {
      refuse("einsum", operands, `\`${term}\` does not name the axes of the ${ordinal(i)}`);
    }
    [...term].forEach((letter, axis) => {
      const size = sizes.get(letter) ?? shape[axis]!;
      if (!mayEqual(size, shape[axis]!)) {
        refuse("einsum", operands, `\`${letter}\` would be ${size} and ${shape[axis]}`);
      }
      sizes.set(letter, size);
    });
  });
  const stray = [...form.output].find((letter) => !sizes.has(letter));
  if (stray) refuse("einsum", operands, `no tensor has an axis \`${stray}\``);
  const wires = operands.map((operand) => asWire(ground, operand));
  // Without what was written for the eye: readers differ in which blanks they take.
  return grow(ground, "Einsum", wires, { equation: equation.replace(/\s/g, "") });
}

function ordinal(index: number): string {
  return ["first", "second", "third"][index] ?? `${index + 1}th`;
}
