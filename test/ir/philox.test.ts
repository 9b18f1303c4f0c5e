import { expect, test } from "vitest";
import { philox } from "../../src/ir/philox.ts";

/** Random123's kat_vectors: counter, key, and the words that they give. */
const known = [
  "00000000 00000000 00000000 00000000 00000000 00000000 6627e8d5 e169c58d bc57ac4c 9b00dbd8",
  "ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff 408f276d 41c83b0e a20bc7c6 6d5451fd",
  "243f6a88 85a308d3 13198a2e 03707344 a4093822 299f31d0 d16cfe09 94fdcceb 5001e420 24126ea1",
].map((line) => line.split(" ").map((word) => Number.parseInt(word, 16)));

test.each(known)("Random123's answer for the counter %i", (...numbers) => {
  const [c0, c1, c2, c3, k0, k1, ...answer] = numbers as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const words = new Uint32Array(4);
  philox(k0, k1, c0, c1, c2, c3, words);
  expect([...words]).toEqual(answer);
});
