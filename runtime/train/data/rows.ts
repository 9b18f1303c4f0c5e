/** Samples of one tensor, over all the files that hold a share of them. */
import { byteLength, type DType, dtypes, elements } from "../../../src/ir/types.ts";
import type { Extent, Readable } from "./stored.ts";

export interface Rows {
  /** Bytes of one sample. */
  readonly rowBytes: number;
  /** The samples of these numbers one after the other, little-endian. Neighbours are read at once. */
  read(samples: ArrayLike<number>): Uint8Array;
}

interface Share {
  readonly extent: Extent;
  readonly from: number;
  readonly to: number;
  readonly bigEndian: boolean;
}

/** Opens every part, which inflates what is compressed. */
export async function openRows(parts: readonly Readable[]): Promise<Rows> {
  const { dtype, shape } = parts[0]!;
  const rowBytes = byteLength(dtype, elements(shape));
  const shares: Share[] = [];
  let from = 0;
  for (const part of parts) {
    const to = from + part.samples;
    shares.push({ extent: await part.open(), from, to, bigEndian: part.bigEndian });
    from = to;
  }
  return {
    rowBytes,
    read(samples) {
      const bytes = new Uint8Array(samples.length * rowBytes);
      for (let i = 0; i < samples.length; ) {
        const share = shareOf(shares, samples[i]!);
        const run = runAt(samples, i, share.to);
        const target = bytes.subarray(i * rowBytes, (i + run) * rowBytes);
        const { file, offset } = share.extent;
        file.readInto(target, offset + (samples[i]! - share.from) * rowBytes);
        if (share.bigEndian) swapBytes(target, dtype);
        i += run;
      }
      return bytes;
    },
  };
}

function shareOf(shares: readonly Share[], sample: number): Share {
  let low = 0;
  let high = shares.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sample < shares[middle]!.to) high = middle;
    else low = middle + 1;
  }
  const share = shares[low];
  if (!share || sample < share.from || sample >= share.to) throw new RangeError(`sample ${sample}`);
  return share;
}

/** How many samples from place `i` on follow each other in one file. */
function runAt(samples: ArrayLike<number>, i: number, end: number): number {
  const first = samples[i]!;
  let run = 1;
  while (i + run < samples.length && samples[i + run] === first + run && first + run < end) run++;
  return run;
}

function swapBytes(bytes: Uint8Array, dtype: DType): void {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { bits } = dtypes[dtype];
  if (bits === 16) buffer.swap16();
  if (bits === 32) buffer.swap32();
  if (bits === 64) buffer.swap64();
}
