import { type Bytes, lengthOf } from "./bytes.ts";
import type { Initializer } from "./graph.ts";

const chunk = 1 << 22;

/** Compares byte by byte, a few megabytes at a time. */
export function sameTensor(a: Contents, b: Contents): boolean {
  if (a.dtype !== b.dtype || `${a.shape}` !== `${b.shape}`) return false;
  const length = lengthOf(a.data);
  if (length !== lengthOf(b.data)) return false;
  if (samePlace(a.data, b.data)) return true;
  for (let at = 0; at < length; at += chunk) {
    const size = Math.min(chunk, length - at);
    if (Buffer.compare(slice(a.data, at, size), slice(b.data, at, size)) !== 0) return false;
  }
  return true;
}

type Contents = Pick<Initializer, "dtype" | "shape" | "data">;

function samePlace(a: Bytes, b: Bytes): boolean {
  if (a.kind !== "file" || b.kind !== "file") return false;
  return a.file.path === b.file.path && a.offset === b.offset;
}

export function slice(bytes: Bytes, at: number, length: number): Uint8Array {
  if (bytes.kind === "file") return bytes.file.read(bytes.offset + at, length);
  const data = bytes.kind === "memory" ? bytes.data : bytes.compute();
  return data.subarray(at, at + length);
}
