/**
 * Random numbers by position, under a key of the seed and a name. Element i of a stream does not
 * depend on who else draws, nor on the order of drawing.
 */
import { createHash } from "node:crypto";
import { philox } from "../ir/philox.ts";

/**
 * Fills `to` with the elements of a stream from `start` on: uniform numbers inside (lo, hi), which
 * is (0, 1) unless said.
 */
export type Stream = (to: Float64Array, start: number, lo?: number, hi?: number) => void;

/** @param name the stored name of the weight; `draw` tells its several streams apart. */
export function streamOf(seed: number, name: string, draw: number): Stream {
  const digest = createHash("sha256").update(`${seed}\0${name}\0${draw}`).digest();
  const key0 = digest.readUInt32LE(0);
  const key1 = digest.readUInt32LE(4);
  const block = new Uint32Array(4);
  return (to, start, lo = 0, hi = 1) => {
    const width = hi - lo;
    let lane = start % 4;
    let counter = (start - lane) / 4;
    for (let i = 0; i < to.length; lane = 0, counter++) {
      philox(key0, key1, counter, Math.floor(counter / 2 ** 32), 0, 0, block);
      for (; lane < 4 && i < to.length; lane++) {
        to[i++] = lo + width * ((block[lane]! + 0.5) * 2 ** -32);
      }
    }
  };
}

/**
 * The standard normal number that a uniform one stands for: its quantile, algorithm AS 241
 * (Wichura, 1988), to 1e-16.
 */
export function normalQuantile(p: number): number {
  const q = p - 0.5;
  if (Math.abs(q) <= 0.425) return q * ratio(centre, 0.180625 - q * q);
  const r = Math.sqrt(-Math.log(q < 0 ? p : 1 - p));
  const tail = r <= 5 ? ratio(shoulder, r - 1.6) : ratio(far, r - 5);
  return q < 0 ? -tail : tail;
}

type Ratio = readonly [numerator: readonly number[], denominator: readonly number[]];

function ratio([numerator, denominator]: Ratio, x: number): number {
  const horner = (sum: number, coefficient: number) => sum * x + coefficient;
  return numerator.reduce(horner, 0) / denominator.reduce(horner, 0);
}

// Coefficients of AS 241, highest power first.
const centre: Ratio = [
  [
    2509.0809287301227, 33430.57558358813, 67265.7709270087, 45921.95393154987, 13731.69376550946,
    1971.5909503065513, 133.14166789178438, 3.3871328727963665,
  ],
  [
    5226.495278852854, 28729.085735721943, 39307.89580009271, 21213.794301586597, 5394.196021424751,
    687.1870074920579, 42.31333070160091, 1,
  ],
];
const shoulder: Ratio = [
  [
    0.0007745450142783414, 0.022723844989269184, 0.2417807251774506, 1.2704582524523684,
    3.6478483247632045, 5.769497221460691, 4.630337846156546, 1.4234371107496835,
  ],
  [
    1.0507500716444169e-9, 0.0005475938084995345, 0.015198666563616457, 0.14810397642748008,
    0.6897673349851, 1.6763848301838038, 2.053191626637759, 1,
  ],
];
const far: Ratio = [
  [
    2.0103343992922881e-7, 0.000027115555687434876, 0.0012426609473880784, 0.026532189526576124,
    0.29656057182850487, 1.7848265399172913, 5.463784911164114, 6.657904643501103,
  ],
  [
    2.0442631033899397e-15, 1.421511758316446e-7, 0.000018463183175100548, 0.0007868691311456133,
    0.014875361290850615, 0.1369298809227358, 0.599832206555888, 1,
  ],
];
