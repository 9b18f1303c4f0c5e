/**
 * Elementwise arithmetic on many elements, a cache's worth at a time: a Scan over the rows of a
 * matrix keeps every intermediate in the cache, where plain nodes write each of them to memory.
 */
import { elements, type TensorType } from "../../src/ir/types.ts";
import { Grower } from "../../src/onnx-ops/grower.ts";
import type { Wire } from "../../src/onnx-ops/wire.ts";

/** Gives outputs of the shape of its inputs. It may read scalars outside. */
export type Elementwise = (inputs: readonly Wire[]) => readonly Wire[];

/** Columns of a row: all of the arithmetic then stays in a second-level cache. */
const ideal = 16384;
const [fewest, most] = [4096, 65536] as const;

/**
 * The arithmetic on each list of operands, which have one shape within a list. Large tensors go
 * row by row, and their results stay [rows, columns]: giving them their shape back would copy them.
 * The others are joined to one vector first, which keeps nodes few.
 */
export function inRows(
  grower: Grower,
  lists: readonly (readonly Wire[])[],
  arithmetic: Elementwise,
): (readonly Wire[])[] {
  const columns = lists.map(([first]) => columnsOf(first!.count!));
  const joined = lists.filter((_, i) => columns[i] === null);
  const parts = joined.length > 0 ? joinedly(grower, joined, arithmetic) : [];
  const rest = parts.values();
  return lists.map((operands, i) => {
    const width = columns[i];
    return width ? byRows(grower, operands, width, arithmetic) : rest.next().value!;
  });
}

/** The columns that divide a large `count` best; null where none is near the ideal. */
export function columnsOf(count: number): number | null {
  if (count <= most) return null;
  const distance = (columns: number) => Math.abs(Math.log(columns / ideal));
  let best: number | null = null;
  for (let columns = fewest; columns <= most; columns++) {
    if (count % columns > 0) continue;
    if (best === null || distance(columns) < distance(best)) best = columns;
  }
  return best;
}

/** Results stay [rows, columns]. */
export function byRows(
  grower: Grower,
  operands: readonly Wire[],
  columns: number,
  arithmetic: Elementwise,
): readonly Wire[] {
  const { dtype, count } = operands[0]!;
  const row: TensorType = { dtype, shape: [columns] };
  const matrix: TensorType = { dtype, shape: [count! / columns, columns] };
  const rows = Object.fromEntries(operands.map((_, i) => [`row_${i}`, row]));
  const body = grower.patch.body(rows, (patch, values) => {
    const inner = new Grower(patch, grower.opset);
    return arithmetic(values.map((value) => inner.wire(value))).map(({ value }) => value);
  });
  const outputs = body.outputs.length;
  return grower.all(
    "Scan",
    operands.map((operand) => operand.reshape(matrix.shape as number[])),
    {
      attributes: { body, num_scan_inputs: operands.length },
      outputs,
      types: Array<TensorType>(outputs).fill(matrix),
    },
  );
}

/** Zeros at the end fill the last row. */
function joinedly(
  grower: Grower,
  lists: readonly (readonly Wire[])[],
  arithmetic: Elementwise,
): Wire[][] {
  const shapes = lists.map(([first]) => first!.shape as readonly number[]);
  const counts = shapes.map(elements);
  const total = counts.reduce((a, b) => a + b, 0);
  const padding = total > most ? (ideal - (total % ideal)) % ideal : 0;
  const sizes = padding ? [...counts, padding] : counts;
  const zeros = padding ? [grower.constant("float32", [padding], new Float32Array(padding))] : [];
  const operands = lists[0]!.map((_, role) => {
    const flat = lists.map((wires, i) => wires[role]!.reshape([counts[i]!]));
    return grower.concat([...flat, ...zeros], 0);
  });
  const results = total > most ? byRows(grower, operands, ideal, arithmetic) : arithmetic(operands);
  const parts = results.map((result) => {
    const flat = result.reshape([total + padding]);
    return sizes.length === 1 ? [flat] : flat.split(0, sizes);
  });
  return shapes.map((shape, i) => parts.map((part) => part[i]!.reshape(shape)));
}
