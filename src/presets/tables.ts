/** The fixed tables of diffusion transformers. */
import type { Bytes } from "../ir/bytes.ts";

/** Rates of the time embedding, exp(-ln(10000) i / half), i = 0..half - 1. */
export function timeRates(half: number): Float32Array {
  return Float32Array.from({ length: half }, (_, i) => Math.exp((-Math.log(10000) * i) / half));
}

/**
 * Sines and cosines of a square token grid, [side * side, width] in raster order: the first half of
 * the features encodes the column, the second the row, each as sines, then cosines.
 * @param scale positions are divided by it (PixArt's interpolation_scale).
 */
export function positions(side: number, width: number, scale: number): Bytes {
  const length = 4 * side * side * width;
  return { kind: "computed", length, compute: () => fillPositions(side, width, scale) };
}

function fillPositions(side: number, width: number, scale: number): Uint8Array {
  const quarter = width / 4;
  const table = new Float32Array(side * side * width);
  for (let token = 0; token < side * side; token++) {
    const column = (token % side) / scale;
    const row = Math.floor(token / side) / scale;
    for (let i = 0; i < quarter; i++) {
      const rate = 10000 ** (-i / quarter);
      const at = token * width + i;
      table[at] = Math.sin(column * rate);
      table[at + quarter] = Math.cos(column * rate);
      table[at + 2 * quarter] = Math.sin(row * rate);
      table[at + 3 * quarter] = Math.cos(row * rate);
    }
  }
  return new Uint8Array(table.buffer);
}
