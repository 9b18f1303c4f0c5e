/** Tables of embeddings that a head reads, too: exporters keep a turned copy for the product. */
import { materialize } from "../../src/ir/bytes.ts";
import type { Model, Value } from "../../src/ir/graph.ts";
import { transposed } from "../../src/onnx-ops/transposed.ts";
import { layoutsOf } from "./state-dict.ts";

/** A matrix that is the table [V, D], as it is or turned. */
export interface Tie {
  readonly value: Value;
  readonly turned: boolean;
}

/** Matrices of products that hold what a table of embeddings holds; none of what is no table. */
export function tiesOf({ graph }: Model, table: Value): Tie[] {
  const initializer = table.initializer!;
  const { shape, dtype } = initializer;
  const isTable = [...table.uses].some(({ node, index }) => node.op === "Gather" && index === 0);
  if (!isTable || shape.length !== 2) return [];
  const alike = (other: readonly number[]) => other.join() === shape.join();
  const candidates = [...layoutsOf(graph.nodes).keys()].filter((value) => {
    const other = value.initializer!;
    const fits = alike(other.shape) || alike(other.shape.toReversed());
    return value !== table && other.dtype === dtype && fits;
  });
  if (candidates.length === 0) return [];
  const bytes = materialize(initializer.data);
  const turnedBytes = transposed(bytes, dtype, shape as [number, number]);
  return candidates.flatMap((value): Tie[] => {
    const other = materialize(value.initializer!.data);
    const same = (expected: Uint8Array) => Buffer.compare(expected, other) === 0;
    if (alike(value.initializer!.shape) && same(bytes)) return [{ value, turned: false }];
    return same(turnedBytes) ? [{ value, turned: true }] : [];
  });
}
