/**
 * What training draws: functions of the seed, a purpose, the step and the sample's index in the
 * step, and of nothing else. So a resumed run draws what an uninterrupted one does, a batch in
 * parts what a whole one does, and a new purpose never shifts the numbers of another.
 */
import { createHash } from "node:crypto";
import { philox } from "../../src/ir/philox.ts";

/** The numbers of one purpose under one seed. Every array starts anew for each step and index. */
export interface Draws {
  /** Normal numbers, mean 0 and variance 1. */
  normals(step: number, index: number, out: Float32Array): void;
  /** Uniform numbers inside (0, 1). */
  uniforms(step: number, index: number, out: Float64Array): void;
  /** Whole numbers from [0, limit), each as probable as the others; limit at most 2^32. */
  integers(step: number, index: number, limit: number, out: Uint32Array): void;
  /** Whether what happens with this probability happens. */
  happens(step: number, index: number, probability: number): boolean;
}

const word = 2 ** 32;
const unit = 1 / word;
const turn = (2 * Math.PI) / word;

/** @param purpose tells streams apart: `noise of x`, `timestep`, ... */
export function drawsOf(seed: number, purpose: string): Draws {
  const digest = createHash("sha256").update(`${seed}\0${purpose}`).digest();
  const k0 = digest.readUInt32LE(0);
  const k1 = digest.readUInt32LE(4);
  const words = new Uint32Array(4);

  function draw(block: number, step: number, index: number): void {
    philox(k0, k1, block, index, step >>> 0, Math.floor(step / word), words);
  }

  return {
    normals(step, index, out) {
      for (let at = 0; at < out.length; at += 4) {
        draw(at / 4, step, index);
        pairOfNormals(words[0]!, words[1]!, out, at);
        pairOfNormals(words[2]!, words[3]!, out, at + 2);
      }
    },
    uniforms(step, index, out) {
      for (let at = 0; at < out.length; at++) {
        if (at % 4 === 0) draw(at / 4, step, index);
        out[at] = (words[at % 4]! + 0.5) * unit;
      }
    },
    integers(step, index, limit, out) {
      // The words beyond the last whole multiple of the limit are passed over.
      const fair = word - (word % limit);
      let drawn = 0;
      for (let at = 0; at < out.length; drawn++) {
        if (drawn % 4 === 0) draw(drawn / 4, step, index);
        const value = words[drawn % 4]!;
        if (value < fair) out[at++] = value % limit;
      }
    },
    happens(step, index, probability) {
      draw(0, step, index);
      return (words[0]! + 0.5) * unit < probability;
    },
  };
}

/** Box and Muller's transform in float64; what lies beyond the end of `out` is dropped. */
function pairOfNormals(a: number, b: number, out: Float32Array, at: number): void {
  const radius = Math.sqrt(-2 * Math.log((a + 0.5) * unit));
  const angle = b * turn;
  out[at] = radius * Math.cos(angle);
  out[at + 1] = radius * Math.sin(angle);
}
