/** .npy files: NumPy Enhancement Proposal 1, versions 1 to 3 of the header. */
import { fail, type GraftError } from "../../../src/diag/diagnostic.ts";
import { byteLength, type DType, elements } from "../../../src/ir/types.ts";
import { DiskFile } from "../../../src/onnx/disk-file.ts";
import { type Extent, type Stored, stored } from "./stored.ts";

const magic = "\x93NUMPY";
/** Magic, version and the longer of the two forms of the header's length. */
export const npyPrefix = 12;

const dtypeByCode: Readonly<Record<string, DType>> = {
  b1: "bool",
  i1: "int8",
  u1: "uint8",
  i2: "int16",
  u2: "uint16",
  i4: "int32",
  u4: "uint32",
  i8: "int64",
  u8: "uint64",
  f2: "float16",
  f4: "float32",
  f8: "float64",
};

const kinds: Readonly<Record<string, string>> = {
  c: "complex numbers",
  U: "text",
  S: "bytes",
  O: "Python objects",
  M: "dates",
  m: "durations",
  V: "records",
};

/** @throws GraftError where the file is damaged. */
export function readNpy(path: string): Stored {
  const file = DiskFile.at(path);
  const wrong = (why: string) => fail("data-malformed", { path, format: "npy", why });
  const begin = npyOffset(file.read(0, Math.min(npyPrefix, file.size)));
  if (begin === null) throw wrong("it does not begin as one");
  if (begin > file.size) throw wrong("its header does not end");
  const head = file.read(0, begin);
  return storedNpy(path, head, file.size, wrong, async () => ({ file, offset: begin }));
}

/**
 * Where the elements begin; null where `beginning` is not that of a .npy file.
 * @param beginning `npyPrefix` bytes or more.
 */
export function npyOffset(beginning: Uint8Array): number | null {
  const bytes = Buffer.from(beginning.buffer, beginning.byteOffset, beginning.byteLength);
  if (bytes.length < npyPrefix || bytes.toString("latin1", 0, 6) !== magic) return null;
  const version = bytes[6]!;
  if (version < 1 || version > 3) return null;
  return version === 1 ? 10 + bytes.readUInt16LE(8) : 12 + bytes.readUInt32LE(8);
}

/**
 * @param head everything before the elements.
 * @param size of the whole file or member.
 * @param wrong makes the diagnostic of a damaged file.
 */
export function storedNpy(
  path: string,
  head: Uint8Array,
  size: number,
  wrong: (why: string) => GraftError,
  open: () => Promise<Extent>,
): Stored {
  const bytes = Buffer.from(head.buffer, head.byteOffset, head.byteLength);
  const text = bytes.toString("utf8", bytes[6] === 1 ? 10 : 12);
  const order = /'fortran_order':\s*(True|False)/.exec(text)?.[1];
  const shape = shapeOf(/'shape':\s*\(([^)]*)\)/.exec(text)?.[1]);
  const type = /'descr':\s*(?:'([<>|=])([^']+)'|\[)/.exec(text);
  if (order === undefined || !shape || !type) throw wrong("its header does not say what it holds");
  const [, byteOrder, code = "V"] = type;
  const dtype = dtypeByCode[code];
  if (!dtype) return { kind: "unusable", path, why: `holds ${kinds[code[0]!] ?? code}` };
  const needed = byteLength(dtype, elements(shape));
  if (size - head.length < needed) {
    throw wrong(`its elements take ${needed} bytes and it has ${size - head.length} of them`);
  }
  if (order === "True" && shape.length > 1) {
    return { kind: "unusable", path, why: "is in Fortran order: save np.ascontiguousarray of it" };
  }
  return stored(path, dtype, shape, open, byteOrder === ">");
}

/** `5, 2, 3` or `5,`; Python 2 wrote `5L,`. */
function shapeOf(text: string | undefined): number[] | null {
  if (text === undefined) return null;
  const words = text.split(",").map((word) => word.trim().replace(/L$/, ""));
  if (words.at(-1) === "") words.pop();
  const shape = words.map(Number);
  const sound = words.every((word) => /^\d+$/.test(word)) && Number.isSafeInteger(elements(shape));
  return sound ? shape : null;
}
