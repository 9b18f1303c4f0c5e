/** What a graph says about its values: types, annotations, sparse initializers. */
import type { TensorType } from "../ir/types.ts";
import { Cursor, wireType } from "./cursor.ts";
import { decode } from "./decode.ts";
import type { Entry } from "./origin.ts";
import { numbersOf } from "./schema.ts";
import type { Slice } from "./source.ts";
import { decodeType, type TypeCache } from "./types.ts";

const info = numbersOf("ValueInfoProto");

export function readValueInfo(slice: Slice, types: TypeCache): Entry {
  const { source, start, from, to } = slice;
  let name = "";
  let type: TensorType | null = null;
  const field = new Cursor(slice);
  while (field.next()) {
    if (field.wire !== wireType.bytes) continue;
    if (field.number === info.name) name = field.text();
    else if (field.number === info.type) type = decodeType(field, types);
  }
  return { source, start, from, to, name, type, value: null };
}

export function readAnnotation(slice: Slice): Entry {
  const { source, start, from, to } = slice;
  const { tensor_name: name = "" } = decode("TensorAnnotation", slice);
  return { source, start, from, to, name, type: null, value: null };
}

/** A sparse initializer is a value without an Initializer; its name is that of its values. */
export function readSparse(slice: Slice): Entry {
  const { source, start, from, to } = slice;
  const { values } = decode("SparseTensorProto", slice);
  const name = values && decode("TensorProto", values).name;
  return { source, start, from, to, name: name ?? "", type: null, value: null };
}
