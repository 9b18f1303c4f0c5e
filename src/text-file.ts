/** Texts that people write: read whole, whether they come from a file, a pipe or standard input. */
import { isUtf8 } from "node:buffer";
import { closeSync, openSync, readSync } from "node:fs";

/** A device may never end. */
const longest = 16 << 20;

/**
 * A text in UTF-8. 0 is standard input.
 * @throws Error in words for people where it cannot be read, or is no text.
 */
export function readText(path: string | 0): string {
  const bytes = readBytes(path);
  if (!isUtf8(bytes) || bytes.includes(0)) throw new Error("it is not a text file");
  return bytes.toString("utf8");
}

function readBytes(path: string | 0): Buffer {
  const descriptor = path === 0 ? path : openSync(path, "r");
  try {
    const chunks: Buffer[] = [];
    for (let length = 0; length <= longest; ) {
      const chunk = Buffer.allocUnsafe(1 << 16);
      const count = readSync(descriptor, chunk);
      if (count === 0) return Buffer.concat(chunks);
      chunks.push(chunk.subarray(0, count));
      length += count;
    }
    throw new Error(`it is longer than ${longest >> 20} MB`);
  } finally {
    if (path !== 0) closeSync(descriptor);
  }
}
