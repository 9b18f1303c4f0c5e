/**
 * Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011): random words
 * as a function of a key and a counter. All words are unsigned 32-bit integers.
 */

/** The high word of a product of words, by halves. */
function high(a: number, b: number): number {
  const ah = a >>> 16;
  const al = a & 0xffff;
  const bh = b >>> 16;
  const bl = b & 0xffff;
  const middle = ah * bl + ((al * bl) >>> 16);
  const carry = (al * bh + (middle & 0xffff)) >>> 16;
  return (ah * bh + (middle >>> 16) + carry) >>> 0;
}

/** Four random words of the counter (c0, c1, c2, c3) under the key (k0, k1). */
export function philox(
  k0: number,
  k1: number,
  c0: number,
  c1: number,
  c2: number,
  c3: number,
  out: Uint32Array,
): void {
  let a = c0;
  let b = c1;
  let c = c2;
  let d = c3;
  let k = k0;
  let l = k1;
  for (let round = 0; round < 10; round++) {
    const h0 = high(0xd2511f53, a);
    const l0 = Math.imul(0xd2511f53, a);
    const h1 = high(0xcd9e8d57, c);
    const l1 = Math.imul(0xcd9e8d57, c);
    a = (h1 ^ b ^ k) >>> 0;
    b = l1 >>> 0;
    c = (h0 ^ d ^ l) >>> 0;
    d = l0 >>> 0;
    k = (k + 0x9e3779b9) >>> 0;
    l = (l + 0xbb67ae85) >>> 0;
  }
  out[0] = a;
  out[1] = b;
  out[2] = c;
  out[3] = d;
}
