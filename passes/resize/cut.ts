/** Tensors cut or extended along one axis, made when they are written. */
import { type Bytes, materialize } from "../../src/ir/bytes.ts";
import type { Initializer } from "../../src/ir/graph.ts";
import { byteLength, type DType, elements } from "../../src/ir/types.ts";
import { drawn, stretchOf } from "../../src/lower/initialise.ts";
import { streamOf } from "../../src/lower/random.ts";
import { encodeElements } from "../../src/onnx-ops/elements.ts";
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

function cut(
  tensor: Initializer,
  shape: readonly number[],
  mark: Mark,
  choice: Choice,
  fill: Fill,
): Uint8Array {
  const { dtype } = tensor;
  const { axis } = mark;
  const source = materialize(tensor.data);
  const sources = sourcesOf(mark, choice);
  const size = byteLength(dtype, 1);
  const run = elements(shape.slice(axis + 1)) * size;
  const [oldRow, newRow] = [tensor.shape[axis]! * run, shape[axis]! * run];
  const bytes = new Uint8Array(byteLength(dtype, elements(shape)));
  const rows = elements(shape.slice(0, axis));
  const filled = filledWith(dtype, fill);
  for (let row = 0; row < rows; row++) {
    let fresh = 0;
    for (let i = 0; i < sources.length; ) {
      const from = sources[i]!;
      const to = row * newRow + i * run;
      if (from < 0) {
        bytes.set(filled(fresh++, row, run / size), to);
        i += 1;
        continue;
      }
      let count = 1;
      while (sources[i + count] === from + count) count += 1;
      const start = row * oldRow + from * run;
      bytes.set(source.subarray(start, start + count * run), to);
      i += count;
    }
  }
  return bytes;
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
 * A run of new elements. Element (new row r, input c) of a projection is element r * fanIn + c of its
 * stream, whichever way the weight lies.
 */
function filledWith(dtype: DType, { filler, seed, name, fanIn }: Fill) {
  if (filler !== "random") {
    const value = filler === "one" ? 1 : 0;
    return (_fresh: number, _row: number, count: number) =>
      encodeElements(dtype, new Float64Array(count).fill(value));
  }
  const stream = streamOf(seed, name, 0);
  const bound = 1 / Math.sqrt(fanIn);
  const uniform = drawn(stream, (p) => (2 * p - 1) * bound);
  return (fresh: number, row: number, count: number) => {
    const first = count === 1 ? fresh * fanIn + row : fresh * fanIn;
    return encodeElements(dtype, stretchOf(uniform, first, count));
  };
}
