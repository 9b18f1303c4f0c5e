/** What an edit should compute, from the unedited model with some of its weights changed. */
import type { Linear } from "../../src/anatomy/anatomy.ts";
import { inMemory, materialize } from "../../src/ir/bytes.ts";
import type { Model, Value } from "../../src/ir/graph.ts";
import { decodeElements, encodeElements } from "../../src/onnx-ops/elements.ts";
import { Patch } from "../../src/onnx-ops/patch.ts";

type Change = (values: Float64Array, shape: readonly number[]) => void;

/** Rewrites the elements of stored weights. */
export function reweigh(model: Model, changes: readonly (readonly [Value, Change])[]): void {
  const patch = new Patch(model.graph, null, "");
  for (const [value, change] of changes) {
    const { dtype, shape, data } = value.initializer!;
    const values = decodeElements(dtype, materialize(data));
    change(values, shape);
    patch.reweigh(value, shape, inMemory(encodeElements(dtype, values)));
  }
  patch.commit();
}

export function zeroed(linear: Linear): (readonly [Value, Change])[] {
  const fill: Change = (values) => values.fill(0);
  return [linear.weight, linear.bias].flatMap((value) => (value ? [[value, fill] as const] : []));
}

/** Element of W [out, in], whichever way it lies. */
export function weightAt(linear: Linear): (row: number, column: number) => number {
  const { dtype, shape, data } = linear.weight.initializer!;
  const values = decodeElements(dtype, materialize(data));
  const width = shape[1]!;
  const [start] = linear.rows;
  const at = (row: number) => linear.order?.[row] ?? start + row;
  return linear.layout === "in,out"
    ? (row, column) => values[column * width + at(row)]!
    : (row, column) => values[at(row) * width + column]!;
}

/** Makes the projection blind to input features. */
export function blinded(linear: Linear, lost: (feature: number) => boolean): [Value, Change] {
  return [
    linear.weight,
    (values, [rows, columns]) => {
      for (let i = 0; i < rows!; i++) {
        for (let j = 0; j < columns!; j++) {
          if (lost(linear.layout === "in,out" ? i : j)) values[i * columns! + j] = 0;
        }
      }
    },
  ];
}
