/** Starting values of a preset's weights, drawn while they are written: a tensor at a time. */
import { createHash } from "node:crypto";
import type { Bytes } from "../ir/bytes.ts";
import { elements } from "../ir/types.ts";

/** Fills a tensor; `random` draws from [0, 1). */
export type Start = (into: Float32Array, random: () => number) => void;

export const zeros: Start = () => {};

export function uniform(bound: number): Start {
  return (into, random) => {
    for (let i = 0; i < into.length; i++) into[i] = (2 * random() - 1) * bound;
  };
}

/** Glorot & Bengio 2010: uniform, variance 2 / (fan_in + fan_out). */
export function xavier(fanIn: number, fanOut: number): Start {
  return uniform(Math.sqrt(6 / (fanIn + fanOut)));
}

/** Box & Muller 1958. */
export function normal(std: number): Start {
  return (into, random) => {
    for (let i = 0; i < into.length; i += 2) {
      const radius = std * Math.sqrt(-2 * Math.log(1 - random()));
      const angle = 2 * Math.PI * random();
      into[i] = radius * Math.cos(angle);
      if (i + 1 < into.length) into[i + 1] = radius * Math.sin(angle);
    }
  };
}

/** float32 bytes whose stream is keyed by seed and name, so that no weight depends on another. */
export function drawn(seed: number, name: string, shape: readonly number[], start: Start): Bytes {
  const count = elements(shape);
  return {
    kind: "computed",
    length: 4 * count,
    compute() {
      const values = new Float32Array(count);
      start(values, stream(seed, name));
      return new Uint8Array(values.buffer);
    },
  };
}

/** xoshiro128+ (Blackman & Vigna 2018): 24 bits a draw, what a float32 in [0, 1) holds. */
function stream(seed: number, name: string): () => number {
  const digest = createHash("sha256").update(`${seed}\0${name}`).digest();
  let [a, b, c, d] = [0, 4, 8, 12].map((offset) => digest.readInt32LE(offset)) as [
    number,
    number,
    number,
    number,
  ];
  return () => {
    const sum = (a + d) | 0;
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = (d << 11) | (d >>> 21);
    return (sum >>> 8) * 2 ** -24;
  };
}
