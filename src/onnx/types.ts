/** TypeProto <-> TensorType. Sequences, maps, optionals and sparse tensors have no TensorType. */
import { type Dim, type DType, dtypeOfCode, dtypes, type TensorType } from "../ir/types.ts";
import { Cursor, wireType } from "./cursor.ts";
import { Rope } from "./rope.ts";
import { numbersOf } from "./schema.ts";
import type { Slice } from "./source.ts";

const proto = {
  type: numbersOf("TypeProto"),
  tensor: numbersOf("TypeProto.Tensor"),
  shape: numbersOf("TensorShapeProto"),
  dim: numbersOf("TensorShapeProto.Dimension"),
};

/** Types by their encoding: a model has thousands of values and a few dozen types. */
export type TypeCache = Map<string, TensorType | null>;

const longestKey = 256;

/** null where it is no tensor's type, or of an element type newer than the table. */
export function decodeType(slice: Slice, cache: TypeCache): TensorType | null {
  const { source, from, to } = slice;
  if (to - from > longestKey) return decodeTypeProto(slice);
  source.load(from, to - from);
  const key = source.buffer.toString("latin1", from - source.base, to - source.base);
  const known = cache.get(key);
  if (known !== undefined) return known;
  const type = decodeTypeProto(slice);
  cache.set(key, type);
  return type;
}

function decodeTypeProto(slice: Slice): TensorType | null {
  let type: TensorType | null = null;
  const field = new Cursor(slice);
  while (field.next()) {
    if (field.wire !== wireType.bytes) continue;
    type = field.number === proto.type.tensor_type ? decodeTensorType(field) : type;
  }
  return type;
}

function decodeTensorType(slice: Slice): TensorType | null {
  let dtype: DType | undefined;
  let shape: Dim[] | null = null;
  const field = new Cursor(slice);
  while (field.next()) {
    if (field.number === proto.tensor.elem_type && field.wire === wireType.varint) {
      dtype = dtypeOfCode(field.int());
    } else if (field.number === proto.tensor.shape && field.wire === wireType.bytes) {
      shape = decodeShape(field);
    }
  }
  return dtype ? { dtype, shape } : null;
}

function decodeShape(slice: Slice): Dim[] {
  const shape: Dim[] = [];
  const field = new Cursor(slice);
  while (field.next()) {
    if (field.number === proto.shape.dim && field.wire === wireType.bytes) {
      shape.push(decodeDim(field));
    }
  }
  return shape.slice();
}

/** Negative sizes, as numbers or as names, and empty names are exporters' ways to say unknown. */
function decodeDim(slice: Slice): Dim {
  let dim: Dim = null;
  const field = new Cursor(slice);
  while (field.next()) {
    if (field.number === proto.dim.dim_value && field.wire === wireType.varint) {
      dim = field.int() >= 0 ? field.int() : null;
    } else if (field.number === proto.dim.dim_param && field.wire === wireType.bytes) {
      const name = field.text();
      dim = name === "" || /^-\d+$/.test(name) ? null : name;
    }
  }
  return dim;
}

export function encodeType({ dtype, shape }: TensorType): Rope {
  const tensor = new Rope().int(proto.tensor.elem_type, dtypes[dtype].code);
  if (shape) {
    const dims = new Rope();
    for (const dim of shape) dims.message(proto.shape.dim, encodeDim(dim));
    tensor.message(proto.tensor.shape, dims);
  }
  return new Rope().message(proto.type.tensor_type, tensor);
}

function encodeDim(dim: Dim): Rope {
  if (typeof dim === "number") return new Rope().int(proto.dim.dim_value, dim);
  return dim === null ? new Rope() : new Rope().text(proto.dim.dim_param, dim);
}

/**
 * Whether `now` says something else than what the file declared. A size that has become known, or
 * a name that inference chose otherwise, is no contradiction: inferred types never replace declared
 * ones in the file.
 */
export function contradicts(now: TensorType | null, declared: TensorType | null): boolean {
  if (!now || !declared) return false;
  if (now.dtype !== declared.dtype) return true;
  if (!now.shape || !declared.shape) return false;
  if (now.shape.length !== declared.shape.length) return true;
  return now.shape.some((dim, i) => {
    const old = declared.shape![i];
    return typeof dim === "number" && typeof old === "number" && dim !== old;
  });
}
