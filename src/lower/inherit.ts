/** Weights taken from the host: its own bytes where a tensor is taken whole, else copied rows. */

import type { Linear } from "../anatomy/anatomy.ts";
import { fail } from "../diag/diagnostic.ts";
import { type Bytes, materialize } from "../ir/bytes.ts";
import type { Value } from "../ir/graph.ts";
import { byteLength, type DType, dtypes } from "../ir/types.ts";
import { decodeElements, encodeElements } from "../onnx-ops/elements.ts";
import type { HostMap, HostRows, Known } from "./values.ts";

export type Layout = Linear["layout"];

export interface Stored {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: Bytes;
}

export interface InheritedMap {
  readonly dtype: DType;
  readonly layout: Layout;
  /** [out, in] or [in, out], as `layout` says. */
  readonly weight: Bytes;
  /** [out]; null where no row has a bias. */
  readonly bias: Bytes | null;
  /** The host's own bytes, rather than rows of them. */
  readonly whole: boolean;
}

/** The tensor that an initializer or a Constant holds; null for anything that is computed. */
export function storedTensor(value: Value): Stored | null {
  if (value.initializer) return value.initializer;
  const attribute = value.producer?.op === "Constant" && value.producer.attributes.get("value");
  return attribute && attribute.value.type === "tensor" ? attribute.value.value : null;
}

/** [out, in] of a map. */
export function shapeOfMap(map: HostMap): readonly [number, number] {
  const rows = map.pieces.reduce((sum, { from, to }) => sum + to - from, 0);
  return [rows, map.pieces[0]?.linear.in ?? 0];
}

/**
 * The rows of a host map as tensors to store, or why they cannot be had.
 * @param wanted the layout of the result; the host's own where it is not said.
 */
export function inherit(map: HostMap, wanted?: Layout): InheritedMap | string {
  const { pieces } = map;
  const first = pieces[0];
  if (!first) return map.missing ?? "there is nothing to take";
  const sources = pieces.map(({ linear }) => storedTensor(linear.weight));
  const biases = pieces.flatMap(({ linear }) => linear.bias ?? []);
  const dtype = sources[0]?.dtype;
  if (!dtype || ![...sources, ...biases.map(storedTensor)].every((source) => source)) {
    return `\`host.${map.name}\` is computed by the model, not stored`;
  }
  if (!dtypes[dtype].float || dtypes[dtype].bits < 16) {
    return `\`host.${map.name}\` is stored as ${dtype}`;
  }
  if (sources.some((source) => source!.dtype !== dtype)) {
    return `the projections of \`host.${map.name}\` are stored in different types`;
  }
  const layout = wanted ?? first.linear.layout;
  const bias = biasOf(pieces, dtype);
  if (pieces.length === 1 && isWhole(first) && layout === first.linear.layout) {
    return { dtype, layout, weight: sources[0]!.data, bias, whole: true };
  }
  const [out, columns] = shapeOfMap(map);
  const length = byteLength(dtype, out * columns);
  const compute = () => copyRows(pieces, dtype, layout, out);
  return { dtype, layout, weight: { kind: "computed", length, compute }, bias, whole: false };
}

/** The weight of a host map as numbers, [out, in]. @throws GraftError where it cannot be had. */
export function hostTensor(map: HostMap, dtype: DType): Known {
  const inherited = inherit(map, "out,in");
  if (typeof inherited === "string") throw fail("host-unreadable", { why: inherited });
  const data = decodeElements(inherited.dtype, materialize(inherited.weight));
  return { kind: "known", dtype, shape: shapeOfMap(map), data };
}

/** Row of W behind feature `i` of a linear. */
function rowOf({ rows, order }: Linear, i: number): number {
  return order ? order[i]! : rows[0] + i;
}

function isWhole({ linear, from, to }: HostRows): boolean {
  const stored = storedTensor(linear.weight)!;
  const rows = stored.shape.reduce((a, b) => a * b, 1) / linear.in;
  const inOrder = linear.order?.every((row, i) => row === i) ?? linear.rows[0] === 0;
  return from === 0 && to === rows && inOrder && linear.alpha === 1;
}

type Words = Uint16Array | Uint32Array | BigUint64Array;

/** Elements as words of their size; bytes that lie askew are copied first. */
function wordsOf(bytes: Uint8Array, dtype: DType): Words {
  const size = dtypes[dtype].bits / 8;
  const { buffer, byteOffset, byteLength } =
    bytes.byteOffset % size === 0 ? bytes : new Uint8Array(bytes);
  if (size === 2) return new Uint16Array(buffer, byteOffset, byteLength / 2);
  if (size === 4) return new Uint32Array(buffer, byteOffset, byteLength / 4);
  return new BigUint64Array(buffer, byteOffset, byteLength / 8);
}

function copyRows(
  pieces: readonly HostRows[],
  dtype: DType,
  layout: Layout,
  out: number,
): Uint8Array {
  const columns = pieces[0]!.linear.in;
  const bytes = new Uint8Array(byteLength(dtype, out * columns));
  const target = wordsOf(bytes, dtype);
  const [rowStep, columnStep] = layout === "out,in" ? [columns, 1] : [1, out];
  let at = 0;
  for (const { linear, from, to } of pieces) {
    const source = wordsOf(
      scaled(materialize(storedTensor(linear.weight)!.data), dtype, linear),
      dtype,
    );
    const rows = source.length / columns;
    const [rowStride, columnStride] = linear.layout === "out,in" ? [columns, 1] : [1, rows];
    for (let i = from; i < to; i++, at++) {
      const base = rowOf(linear, i) * rowStride;
      for (let c = 0; c < columns; c++) {
        target[at * rowStep + c * columnStep] = source[base + c * columnStride]!;
      }
    }
  }
  return bytes;
}

function scaled(bytes: Uint8Array, dtype: DType, { alpha }: Linear): Uint8Array {
  if (alpha === 1) return bytes;
  return encodeElements(
    dtype,
    decodeElements(dtype, bytes).map((element) => element * alpha),
  );
}

/** The bias of the rows, 0 where the host has none; null where no row has one. */
function biasOf(pieces: readonly HostRows[], dtype: DType): Bytes | null {
  if (pieces.every(({ linear }) => !linear.bias)) return null;
  const [only] = pieces;
  const stored = only!.linear.bias && storedTensor(only!.linear.bias);
  if (pieces.length === 1 && stored && stored.dtype === dtype && isWholeBias(only!, stored)) {
    return stored.data;
  }
  const values = pieces.flatMap((piece) => [...biasValues(piece)]);
  return { kind: "memory", data: encodeElements(dtype, values) };
}

function isWholeBias({ linear, from, to }: HostRows, { shape }: Stored): boolean {
  const count = shape.reduce((a, b) => a * b, 1);
  const inOrder = linear.order?.every((row, i) => row === i) ?? linear.biasRows[0] === 0;
  return from === 0 && to === count && inOrder;
}

function biasValues({ linear, from, to }: HostRows): Float64Array {
  const stored = linear.bias && storedTensor(linear.bias);
  if (!stored) return new Float64Array(to - from);
  const values = decodeElements(stored.dtype, materialize(stored.data));
  const shift = linear.biasRows[0] - linear.rows[0];
  return Float64Array.from({ length: to - from }, (_, i) => {
    return values.length === 1 ? values[0]! : values[rowOf(linear, from + i) + shift]!;
  });
}
