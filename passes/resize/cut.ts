/** Tensors cut or extended along one axis, made when they are written. */
import { type Bytes, materialize } from "../../src/ir/bytes.ts";
import type { Initializer } from "../../src/ir/graph.ts";
import { byteLength, type DType, elements } from "../../src/ir/types.ts";
import { drawn, stretchOf } from "../../src/lower/initialise.ts";
import { streamOf } from "../../src/lower/random.ts";
import { encodeElements } from "../../src/onnx-ops/elements.ts";
import { type Words, wordsOf } from "../../src/onnx-ops/words.ts";
import type { Filler, Mark } from "./marks.ts";

/** Which units stay, in order, and how many new ones follow them. */
export interface Choice {
  /** Computed once, from the weights, when the first tensor is written. */
  readonly kept: () => readonly number[];
  readonly before: number;
  readonly after: number;
}

export interface Fill {
  readonly filler: Filler;
  readonly seed: number;
  /** The stored name that keys the random stream. */
  readonly name: string;
  /** Inputs of the projection: new weights are uniform within 1/sqrt of it, as a new linear's. */
  readonly fanIn: number;
}

/** The tensor's new shape and contents. */
export function cutTensor(tensor: Initializer, mark: Mark, choice: Choice, fill: Fill) {
  const shape = tensor.shape.with(mark.axis, mark.outer! * choice.after * mark.inner);
  const length = byteLength(tensor.dtype, elements(shape));
  const data: Bytes = {
    kind: "computed",
    length,
    compute: () => cut(tensor, shape, mark, choice, fill),
  };
  return { shape, data };
}

/** A tensor as [rows, units along the axis, elements of one unit]. */
function cut(
  tensor: Initializer,
  shape: readonly number[],
  mark: Mark,
  choice: Choice,
  fill: Fill,
): Uint8Array {
  const { axis } = mark;
  const sources = sourcesOf(mark, choice);
  const rows = elements(shape.slice(0, axis));
  const width = elements(shape.slice(axis + 1));
  const size = byteLength(tensor.dtype, 1);
  const source = wordsOf(materialize(tensor.data), size);
  const bytes = new Uint8Array(byteLength(tensor.dtype, elements(shape)));
  const target = wordsOf(bytes, size);
  const stride = { old: tensor.shape[axis]! * width, new: shape[axis]! * width };
  for (let row = 0; row < rows; row++) {
    const [from, to] = [row * stride.old, row * stride.new];
    copyUnits(source, from, target, to, sources, width);
  }
  const filled = filledWith(tensor.dtype, fill, width === 1 ? rows : width);
  let fresh = 0;
  sources.forEach((unit, i) => {
    if (unit >= 0) return;
    const words = wordsOf(filled(fresh++), size);
    for (let row = 0; row < rows; row++) {
      const at = row * stride.new + i * width;
      if (width === 1) target[at] = words[row]!;
      else target.set(words, at);
    }
  });
  return bytes;
}

/** One row: the units that stay. */
function copyUnits(
  source: Words,
  from: number,
  target: Words,
  to: number,
  sources: readonly number[],
  width: number,
): void {
  if (width === 1) {
    for (let i = 0; i < sources.length; i++) {
      const unit = sources[i]!;
      if (unit >= 0) target[to + i] = source[from + unit]!;
    }
    return;
  }
  for (let i = 0, count = 1; i < sources.length; i += count) {
    const unit = sources[i]!;
    count = 1;
    if (unit < 0) continue;
    while (sources[i + count] === unit + count) count += 1;
    const start = from + unit * width;
    target.set(source.subarray(start, start + count * width), to + i * width);
  }
}

/** For each index of the new axis the old one; -1 where a new unit stands. */
function sourcesOf(mark: Mark, { kept, before, after }: Choice): number[] {
  const units = [...kept(), ...Array<number>(Math.max(0, after - before)).fill(-1)];
  return Array.from({ length: mark.outer! }, (_, o) => o).flatMap((o) =>
    units.flatMap((unit) =>
      Array.from({ length: mark.inner }, (_, i) =>
        unit < 0 ? -1 : (o * before + unit) * mark.inner + i,
      ),
    ),
  );
}

/**
 * The elements of new unit r. Element (r, input c) of a projection is element r * fanIn + c of its
 * stream, whichever way the weight lies.
 */
function filledWith(dtype: DType, { filler, seed, name, fanIn }: Fill, count: number) {
  if (filler !== "random") {
    const unit = encodeElements(dtype, new Float64Array(count).fill(filler === "one" ? 1 : 0));
    return () => unit;
  }
  const bound = 1 / Math.sqrt(fanIn);
  const uniform = drawn(streamOf(seed, name, 0), (p) => (2 * p - 1) * bound);
  return (unit: number) => encodeElements(dtype, stretchOf(uniform, unit * fanIn, count));
}
