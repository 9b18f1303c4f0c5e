/** Safetensors files: https://huggingface.co/docs/safetensors, format section. */
import { fail } from "../diag/diagnostic.ts";
import { type Bytes, inMemory, lengthOf } from "../ir/bytes.ts";
import { byteLength, type DType, dtypes, elements } from "../ir/types.ts";
import { DiskFile } from "./disk-file.ts";
import type { Segment } from "./layout.ts";
import { replaceFile } from "./replace-file.ts";
import { writeSegments } from "./segments.ts";

export interface StoredTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** As in raw_data: little-endian, row-major. */
  readonly data: Bytes;
}

export interface Safetensors {
  /** In the order of the header; their bytes stay in the file until they are read. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** `__metadata__` */
  readonly metadata: ReadonlyMap<string, string>;
}

const dtypeByName: Readonly<Record<string, DType>> = {
  BOOL: "bool",
  U8: "uint8",
  I8: "int8",
  U16: "uint16",
  I16: "int16",
  U32: "uint32",
  I32: "int32",
  U64: "uint64",
  I64: "int64",
  F16: "float16",
  BF16: "bfloat16",
  F32: "float32",
  F64: "float64",
  C64: "complex64",
  F4: "float4e2m1",
  F6_E2M3: "float6e2m3",
  F6_E3M2: "float6e3m2",
  F8_E4M3: "float8e4m3fn",
  F8_E5M2: "float8e5m2",
  F8_E8M0: "float8e8m0",
};
const nameByDtype = new Map(Object.entries(dtypeByName).map(([name, dtype]) => [dtype, name]));

const prefix = 8;
/** The limit of the reference implementation. */
const longestHeader = 100_000_000;

/**
 * Reads the header; the tensors are spans of the file, which must not change while they are in use.
 * @throws GraftError for files that are missing, truncated, or whose header contradicts itself.
 */
export function readSafetensors(path: string): Safetensors {
  const file = DiskFile.at(path);
  const wrong = (why: string) => fail("safetensors-malformed", { path, why });
  if (file.size < prefix) throw wrong("it is too short for a header");
  const length = Number(Buffer.from(file.read(0, prefix)).readBigUInt64LE());
  if (length > longestHeader || prefix + length > file.size) {
    const other = otherFormat(file.read(0, 2));
    throw other ? wrong(other) : wrong("its header does not end");
  }
  const header = headerOf(file.read(prefix, length));
  if (!header) throw wrong("its header is no JSON object");
  const { __metadata__: metadata = {}, ...entries } = header;
  const size = file.size - prefix - length;
  const extents: [number, number][] = [];
  const tensors = new Map<string, StoredTensor>();
  for (const [name, entry] of Object.entries(entries)) {
    const { dtype, shape, offsets } = entryOf(entry) ?? {};
    if (!dtype || !shape || !offsets) throw wrong(`it does not say what "${name}" is`);
    const [from, to] = offsets;
    if (from > to || to > size) throw wrong(`"${name}" lies outside of it`);
    const needed = byteLength(dtype, elements(shape));
    if (to - from !== needed) throw wrong(`"${name}" has ${to - from} bytes and needs ${needed}`);
    if (needed > 0) extents.push([from, to]);
    const data: Bytes = { kind: "file", file, offset: prefix + length + from, length: needed };
    tensors.set(name, { dtype, shape, data });
  }
  extents.sort((a, b) => a[0] - b[0]);
  if (extents.some(([from], i) => i > 0 && from < extents[i - 1]![1])) {
    throw wrong("its tensors overlap");
  }
  const texts = Object.entries(metadata ?? {}).filter(([, text]) => typeof text === "string");
  return { tensors, metadata: new Map(texts) };
}

/** What people hand over instead. */
function otherFormat(start: Uint8Array): string | undefined {
  const text = Buffer.from(start).toString("latin1");
  if (text.startsWith("{")) return "it is an index in JSON: give each of its shards instead";
  const pickled = text === "PK" || text === "\x80\x02";
  return pickled
    ? "it is PyTorch's own format: `safetensors.torch.save_file` writes this one"
    : undefined;
}

function headerOf(bytes: Uint8Array): Record<string, unknown> | null {
  try {
    const header = JSON.parse(Buffer.from(bytes).toString("utf8"));
    return typeof header === "object" && !Array.isArray(header) ? header : null;
  } catch {
    return null;
  }
}

function entryOf(
  entry: unknown,
): { dtype: DType | undefined; shape: number[]; offsets: [number, number] } | null {
  if (typeof entry !== "object" || entry === null) return null;
  const { dtype, shape, data_offsets: offsets } = entry as Record<string, unknown>;
  const sizes = (list: unknown): list is number[] =>
    Array.isArray(list) && list.every((n) => Number.isSafeInteger(n) && n >= 0);
  if (!sizes(shape) || !sizes(offsets) || offsets.length !== 2) return null;
  if (!Number.isSafeInteger(elements(shape))) return null;
  return { dtype: dtypeByName[String(dtype)], shape, offsets: offsets as [number, number] };
}

/**
 * Writes tensors, the widest element types first and then by name, as the reference implementation
 * does; the same tensors give the same bytes. The file is put in place when it is complete.
 * @param options `durable`: not before it is on the disk.
 * @throws GraftError where `path` cannot be written; Error for strings and other types that the
 * format has not.
 */
export async function writeSafetensors(
  path: string,
  tensors: Iterable<readonly [name: string, tensor: StoredTensor]>,
  metadata: Readonly<Record<string, string>> = {},
  { durable = false } = {},
): Promise<void> {
  const sorted = [...tensors].sort(([a, { dtype: s }], [b, { dtype: t }]) => {
    return dtypes[t].bits - dtypes[s].bits || (a < b ? -1 : 1);
  });
  const header: Record<string, unknown> = {};
  if (Object.keys(metadata).length > 0) header.__metadata__ = metadata;
  const segments: Segment[] = [];
  let end = 0;
  for (const [name, { dtype, shape, data }] of sorted) {
    const type = nameByDtype.get(dtype);
    if (!type) throw new Error(`safetensors has no element type for ${name}, which is ${dtype}`);
    const to = end + lengthOf(data);
    header[name] = { dtype: type, shape, data_offsets: [end, to] };
    segments.push({ bytes: data, at: end });
    end = to;
  }
  const head = encodedHeader(header);
  const placed = segments.map(({ bytes, at }) => ({ bytes, at: at + head.length }));
  const all = [{ bytes: inMemory(head), at: 0 }, ...placed];
  await replaceFile(path, durable, async (descriptor) => {
    await writeSegments(descriptor, path, all, { advance: () => {}, signal: undefined });
  });
}

/** Padded with spaces, so that the tensors begin at a multiple of 8. */
function encodedHeader(header: Record<string, unknown>): Buffer {
  const json = Buffer.from(JSON.stringify(header));
  const padded = Buffer.alloc(prefix + Math.ceil(json.length / 8) * 8, " ");
  padded.writeBigUInt64LE(BigInt(padded.length - prefix));
  json.copy(padded, prefix);
  return padded;
}
