/** A tensor of the data as a file has it: the one form that all file formats are brought to. */
import type { DType } from "../../../src/ir/types.ts";

/** A file that is read by position. */
export interface Positional {
  /** Fills `target` with the bytes at `offset`. */
  readInto(target: Uint8Array, offset: number): void;
}

/** Where the elements of a tensor lie, row-major and without gaps. */
export interface Extent {
  readonly file: Positional;
  readonly offset: number;
}

export type Stored = Readable | Unusable;

export interface Readable {
  readonly kind: "readable";
  /** The file, for messages. */
  readonly path: string;
  readonly dtype: DType;
  readonly samples: number;
  /** Of one sample. */
  readonly shape: readonly number[];
  readonly bigEndian: boolean;
  /** Inflates what is compressed, when it is called first. */
  open(): Promise<Extent>;
}

/** Nothing is wrong with it as long as nobody wants it. */
export interface Unusable {
  readonly kind: "unusable";
  readonly path: string;
  /** `holds text`: the end of a sentence that begins with the tensor. */
  readonly why: string;
}

const usable: ReadonlySet<DType> = new Set<DType>([
  "bool",
  "uint8",
  "int8",
  "uint16",
  "int16",
  "uint32",
  "int32",
  "uint64",
  "int64",
  "float16",
  "bfloat16",
  "float32",
  "float64",
]);

/** @param shape of the whole tensor, samples first. */
export function stored(
  path: string,
  dtype: DType,
  shape: readonly number[],
  open: () => Promise<Extent>,
  bigEndian = false,
): Stored {
  if (!usable.has(dtype)) return { kind: "unusable", path, why: `holds ${dtype}` };
  const [samples, ...rest] = shape;
  if (samples === undefined) {
    return { kind: "unusable", path, why: "is a single number, without a dimension of samples" };
  }
  return { kind: "readable", path, dtype, samples, shape: rest, bigEndian, open };
}
