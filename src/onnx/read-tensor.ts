/** TensorProto -> Initializer, its data located and measured, not loaded. */
import { fail } from "../diag/diagnostic.ts";
import { type Bytes, inMemory } from "../ir/bytes.ts";
import type { Initializer } from "../ir/graph.ts";
import { byteLength, type DType, dtypeOfCode, elements } from "../ir/types.ts";
import { Cursor, wireType } from "./cursor.ts";
import type { ExternalData, ExternalEntries } from "./external-data.ts";
import type { NamedTensor, TensorOrigin } from "./origin.ts";
import { type Property, readProperty } from "./properties.ts";
import { numbersOf } from "./schema.ts";
import type { Slice } from "./source.ts";
import { trimmed } from "./trimmed.ts";
import { countEntries, entriesNeeded, stringData, typedData } from "./typed-data.ts";

/** What reading tensors needs and collects. */
export interface TensorReader {
  readonly data: ExternalData;
  /** Every tensor with external data, as it is met. */
  readonly external: Initializer[];
}

const proto = numbersOf("TensorProto");
const externalLocation = 1;

/** The fields of a TensorProto but for its typed data. */
interface Fields {
  name: string;
  code: number;
  dims: number[];
  raw: Slice | null;
  segmented: boolean;
  typed: boolean;
  location: number;
  external: Property[];
  metadata: Property[];
}

/**
 * @param owner what messages call a tensor that has no name of its own.
 * @returns null for element types that ONNX does not define.
 * @throws GraftError for a tensor whose data does not fit its shape, or cannot be found.
 */
export function readTensor(slice: Slice, owner: string, reader: TensorReader): NamedTensor | null {
  const { source, start, from, to } = slice;
  const fields = fieldsOf(slice);
  const label = fields.name || owner;
  const dtype = dtypeOfCode(fields.code);
  if (!dtype) return null;
  const external = fields.location === externalLocation ? entriesOf(fields.external) : null;
  const data = external
    ? externalBytes(label, dtype, fields, external, reader.data)
    : inlineBytes(label, dtype, fields, { source, start, from, to });
  const { name } = fields;
  const shape = trimmed(fields.dims);
  const metadata = fields.metadata.length === 0 ? noMetadata : new Map(fields.metadata);
  const origin: TensorOrigin = {
    source,
    start,
    from,
    to,
    name,
    dtype,
    shape,
    data,
    metadata,
    external,
  };
  const tensor = { dtype, shape, data, metadata, name, origin };
  if (external) reader.external.push(tensor);
  return tensor;
}

const noMetadata: ReadonlyMap<string, string> = new Map();

function fieldsOf(slice: Slice): Fields {
  const fields: Fields = {
    name: "",
    code: 0,
    dims: [],
    raw: null,
    segmented: false,
    typed: false,
    location: 0,
    external: [],
    metadata: [],
  };
  const field = new Cursor(slice);
  while (field.next()) {
    const { number, wire } = field;
    if (number === proto.dims) field.ints(fields.dims);
    else if (wire === wireType.varint) {
      if (number === proto.data_type) fields.code = field.int();
      else if (number === proto.data_location) fields.location = field.int();
      else fields.typed = true;
    } else if (wire !== wireType.bytes) fields.typed = true;
    else if (number === proto.name) fields.name = field.text();
    else if (number === proto.raw_data) fields.raw = field.slice();
    else if (number === proto.external_data) fields.external.push(readProperty(field));
    else if (number === proto.metadata_props) fields.metadata.push(readProperty(field));
    else if (number === proto.segment) fields.segmented = true;
    else fields.typed = true;
  }
  return fields;
}

function entriesOf(properties: readonly Property[]): ExternalEntries {
  const entries = new Map(properties);
  return {
    location: entries.get("location"),
    offset: entries.get("offset"),
    length: entries.get("length"),
  };
}

function externalBytes(
  tensor: string,
  dtype: DType,
  { dims }: Fields,
  entries: ExternalEntries,
  data: ExternalData,
): Bytes {
  if (dtype === "string") throw fail("external-strings", { tensor });
  return data.locate(tensor, entries, byteLength(dtype, elementsOf(tensor, dims)));
}

function inlineBytes(tensor: string, dtype: DType, fields: Fields, slice: Slice): Bytes {
  const { raw, dims } = fields;
  const count = elementsOf(tensor, dims);
  const entries = fields.typed ? countEntries(slice, dtype) : 0;
  const misfit = (found: string, needed: number) =>
    fail("tensor-size", { tensor, type: `${dtype}[${dims.join(", ")}]`, found, needed });
  if (raw && (raw.to > raw.from || entries === 0)) {
    const length = raw.to - raw.from;
    const needed = byteLength(dtype, count);
    if (length !== needed && !fields.segmented) throw misfit(`${length} bytes`, needed);
    return { kind: "file", file: raw.source, offset: raw.from, length };
  }
  const needed = entriesNeeded(dtype, count);
  if (entries !== needed && !fields.segmented) throw misfit(`${entries} values`, needed);
  if (dtype === "string") return stringData(slice);
  return count === 0 ? inMemory(new Uint8Array(0)) : typedData(slice, dtype, count);
}

function elementsOf(tensor: string, dims: readonly number[]): number {
  const count = elements(dims);
  if (dims.every((dim) => dim >= 0) && Number.isSafeInteger(count)) return count;
  throw fail("tensor-shape", { tensor, shape: `[${dims.join(", ")}]` });
}
