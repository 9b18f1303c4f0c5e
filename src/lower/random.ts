/**
 * Random numbers by position, under a key of the seed and a name. Element i of a stream does not
 * depend on who else draws, nor on the order of drawing.
 */
import { createCipheriv, createHash } from "node:crypto";
import { endianness } from "node:os";

/**
 * Fills `to` with the elements of a stream from `start` on: uniform numbers inside (lo, hi), which
 * is (0, 1) unless said.
 */
export type Stream = (to: Float64Array, start: number, lo?: number, hi?: number) => undefined;

/** @param name the stored name of the weight; `draw` tells its several streams apart. */
export function streamOf(seed: number, name: string, draw: number): Stream {
  const key = createHash("sha256").update(`${seed}\0${name}\0${draw}`).digest().subarray(0, 16);
  return (to, start, lo = 0, hi = 1) => {
    const words = wordsOf(key, start, to.length);
    const width = hi - lo;
    for (let i = 0; i < to.length; i++) to[i] = lo + width * ((words[i]! + 0.5) * 2 ** -32);
  };
}

/**
 * Random words from position `start` on: AES in counter mode, whose block n is n encrypted (Salmon et
 * al., "Parallel random numbers: as easy as 1, 2, 3", 2011).
 */
function wordsOf(key: Uint8Array, start: number, count: number): Uint32Array {
  const lane = start % 4;
  const block = Buffer.alloc(16);
  block.writeBigUInt64BE(BigInt((start - lane) / 4), 8);
  const words = new Uint32Array(lane + count);
  const bytes = Buffer.from(words.buffer);
  bytes.set(createCipheriv("aes-128-ctr", key, block).update(bytes));
  if (endianness() === "BE") bytes.swap32();
  return words.subarray(lane);
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
