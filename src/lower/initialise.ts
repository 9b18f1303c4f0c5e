/** How new weights start. Elements are functions of their position, so they are made when written. */
import type { Bytes } from "../ir/bytes.ts";
import { byteLength, type DType, dtypes, elements } from "../ir/types.ts";
import { encodeElements } from "../onnx-ops/elements.ts";
import { wordsOf } from "../onnx-ops/words.ts";
import { room } from "./arrays.ts";
import { number, type Param } from "./params.ts";
import { normalQuantile, type Stream } from "./random.ts";
import type { Known } from "./values.ts";

/** What an initialiser sees of a weight. */
export interface Shaped {
  /** As PyTorch has it: [out, in] of a linear. */
  readonly shape: readonly number[];
  /** What `identity` puts at an index, where that is not the diagonal of the last two axes. */
  readonly identity?: (index: readonly number[]) => number;
}

/**
 * Fills `to` with the elements from `start` on, in row-major order. It returns nothing: with `void` a
 * function that returns its element would pass for one.
 */
export type Fill = (to: Float64Array, start: number) => undefined;

interface Initialiser {
  readonly params: readonly Param<unknown>[];
  /** @param draw a new stream of random numbers. */
  readonly fill: (weight: Shaped, args: readonly number[], draw: () => Stream) => Fill;
}

export const initialisers: Readonly<Record<string, Initialiser>> = {
  zeros: { params: [], fill: () => constant(0) },
  ones: { params: [], fill: () => constant(1) },
  constant: { params: [number("c")], fill: (_, [c]) => constant(c!) },
  identity: {
    params: [],
    fill: (weight) => {
      const element = weight.identity ?? diagonal;
      return byElement((i) => element(indexOf(weight.shape, i)));
    },
  },
  /** 0, 1, 2, ... along the last axis; with arguments it is the library's `range`. */
  arange: {
    params: [],
    fill: ({ shape }) => {
      const length = shape.at(-1) ?? 1;
      return byElement((i) => i % length);
    },
  },
  normal: {
    params: [number("std", 1), number("mean", 0)],
    fill: (_, [std, mean], draw) => {
      return drawn(draw(), (p) => mean! + std! * normalQuantile(p));
    },
  },
  uniform: {
    params: [number("lo"), number("hi")],
    fill: (_, [lo, hi], draw) => uniform(lo!, hi!, draw()),
  },
  /** Glorot's bound: sqrt(6 / (fan_in + fan_out)). */
  xavier: {
    params: [number("gain", 1)],
    fill: ({ shape }, [gain], draw) => {
      const { fanIn, fanOut } = fansOf(shape);
      return symmetric(gain! * Math.sqrt(6 / (fanIn + fanOut)), draw());
    },
  },
  /** He's bound for what a ReLU follows: sqrt(6 / fan_in). */
  kaiming: {
    params: [],
    fill: ({ shape }, _, draw) => symmetric(Math.sqrt(6 / fansOf(shape).fanIn), draw()),
  },
};

export function constant(value: number): Fill {
  return (to) => {
    to.fill(value);
  };
}

export function byElement(element: (i: number) => number): Fill {
  return (to, start) => {
    for (let i = 0; i < to.length; i++) to[i] = element(start + i);
  };
}

/** `count` elements from `start` on. */
export function stretchOf(fill: Fill, start: number, count: number): Float64Array {
  const stretch = new Float64Array(count);
  fill(stretch, start);
  return stretch;
}

/** @param element of a uniform number. */
export function drawn(stream: Stream, element: (p: number) => number): Fill {
  return (to, start) => {
    stream(to, start);
    for (let i = 0; i < to.length; i++) to[i] = element(to[i]!);
  };
}

/** Uniform within `bound` of 0. */
export function symmetric(bound: number, stream: Stream): Fill {
  return uniform(-bound, bound, stream);
}

function uniform(lo: number, hi: number, stream: Stream): Fill {
  return (to, start) => stream(to, start, lo, hi);
}

/** PyTorch's fans: inputs and outputs of one element, times the size of the kernel. */
export function fansOf(shape: readonly number[]): { fanIn: number; fanOut: number } {
  const [out = 1, inputs = out] = shape;
  const kernel = elements(shape.slice(2));
  return { fanIn: inputs * kernel, fanOut: out * kernel };
}

/** 1 on the diagonal of the last two axes; a vector of ones. */
function diagonal(index: readonly number[]): number {
  return index.length < 2 || index.at(-1) === index.at(-2) ? 1 : 0;
}

function indexOf(shape: readonly number[], i: number): number[] {
  const index: number[] = [];
  let rest = i;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    index.unshift(rest % shape[axis]!);
    rest = Math.floor(rest / shape[axis]!);
  }
  return index;
}

/** All elements now, for initialisers inside of expressions. */
export function filledBy(fill: Fill, dtype: DType, shape: readonly number[]): Known {
  const data = room(shape);
  fill(data, 0);
  return { kind: "known", dtype, shape, data };
}

/**
 * The elements as bytes, made when they are asked for, some at a time.
 * @param turned store a matrix by columns: [in, out] of what is filled as [out, in].
 */
export function filledBytes(
  fill: Fill,
  dtype: DType,
  shape: readonly number[],
  turned: boolean,
): Bytes {
  const size = elements(shape);
  const length = byteLength(dtype, size);
  const compute = () => {
    const bytes = new Uint8Array(length);
    const chunk = new Float64Array(Math.min(chunkElements, size));
    for (let start = 0; start < size; start += chunk.length) {
      const part = chunk.subarray(0, size - start);
      fill(part, start);
      const encoded = encodeElements(dtype, part);
      if (turned) scatter(encoded, bytes, start, dtypes[dtype].bits / 8, shape);
      else bytes.set(encoded, (start * dtypes[dtype].bits) / 8);
    }
    return bytes;
  };
  return { kind: "computed", length, compute };
}

const chunkElements = 1 << 16;

/** Puts elements `start`.. of a matrix where its transpose has them. */
function scatter(
  from: Uint8Array,
  to: Uint8Array,
  start: number,
  size: number,
  shape: readonly number[],
): void {
  const [rows, columns] = [shape[0]!, shape[1]!];
  const source = wordsOf(from, size);
  const target = wordsOf(to, size);
  let row = Math.floor(start / columns);
  let column = start % columns;
  for (let i = 0; i < source.length; i++) {
    target[column * rows + row] = source[i]!;
    if (++column === columns) {
      column = 0;
      row++;
    }
  }
}
