/**
 * Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011): random words
 * as a function of a key and a counter. All words are 32-bit integers, and the results unsigned.
 */

/**
 * Four random words of the counter (c0, c1, c2, c3) under the key (k0, k1).
 *
 * A round takes the high and the low words of 0xd2511f53 a and 0xcd9e8d57 c, by halves. It is
 * written out, and all on its way has a sign: a compile draws so few that V8 interprets most of
 * them, where calls are dear and what does not fit a signed word is a heap object.
 */
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
    const al = a & 0xffff;
    const ah = a >>> 16;
    const cl = c & 0xffff;
    const ch = c >>> 16;
    const p = Math.imul(al, 0xd251);
    const q = Math.imul(ah, 0x1f53);
    const r = Math.imul(cl, 0xcd9e);
    const s = Math.imul(ch, 0x8d57);
    const aCarry = (Math.imul(al, 0x1f53) >>> 16) + (p & 0xffff) + (q & 0xffff);
    const cCarry = (Math.imul(cl, 0x8d57) >>> 16) + (r & 0xffff) + (s & 0xffff);
    const aHigh = Math.imul(ah, 0xd251) + (p >>> 16) + (q >>> 16) + (aCarry >>> 16);
    const cHigh = Math.imul(ch, 0xcd9e) + (r >>> 16) + (s >>> 16) + (cCarry >>> 16);
    const aLow = Math.imul(a, 0xd2511f53);
    a = cHigh ^ b ^ k;
    b = Math.imul(c, 0xcd9e8d57);
    c = aHigh ^ d ^ l;
    d = aLow;
    k = (k + 0x9e3779b9) | 0;
    l = (l + 0xbb67ae85) | 0;
  }
  out[0] = a;
  out[1] = b;
  out[2] = c;
  out[3] = d;
}
