import { createHash } from "node:crypto";

/**
 * Where the bytes of a tensor are. Untouched weights stay `file` spans from reading to writing:
 * nothing in graftc turns one into an object unless somebody needs its values.
 */
export type Bytes =
  | { readonly kind: "memory"; readonly data: Uint8Array }
  | {
      readonly kind: "file";
      readonly file: FileSource;
      readonly offset: number;
      readonly length: number;
    }
  /** Made when it is written, one tensor at a time: random, sliced or transposed weights. */
  | { readonly kind: "computed"; readonly length: number; readonly compute: () => Uint8Array };

/** A file that weights are spans of. Reading checks bounds; `path` is never written to an output. */
export interface FileSource {
  readonly path: string;
  readonly size: number;
  /** @throws GraftError when the file has become shorter or unreadable. */
  read(offset: number, length: number): Uint8Array;
}

export function inMemory(data: Uint8Array): Bytes {
  return { kind: "memory", data };
}

export function lengthOf(bytes: Bytes): number {
  return bytes.kind === "memory" ? bytes.data.byteLength : bytes.length;
}

/** The bytes themselves; for `file` spans this reads, so call it only where values are needed. */
export function materialize(bytes: Bytes): Uint8Array {
  if (bytes.kind === "memory") return bytes.data;
  if (bytes.kind === "computed") return bytes.compute();
  return bytes.file.read(bytes.offset, bytes.length);
}

/** Tells bytes apart where they are too many for a string. */
export function digestOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
