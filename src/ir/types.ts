/** Element types, by the name they have in every JSON and message. */
export const dtypes = {
  float32: { code: 1, bits: 32, float: true },
  uint8: { code: 2, bits: 8, float: false },
  int8: { code: 3, bits: 8, float: false },
  uint16: { code: 4, bits: 16, float: false },
  int16: { code: 5, bits: 16, float: false },
  int32: { code: 6, bits: 32, float: false },
  int64: { code: 7, bits: 64, float: false },
  string: { code: 8, bits: 0, float: false },
  bool: { code: 9, bits: 8, float: false },
  float16: { code: 10, bits: 16, float: true },
  float64: { code: 11, bits: 64, float: true },
  uint32: { code: 12, bits: 32, float: false },
  uint64: { code: 13, bits: 64, float: false },
  complex64: { code: 14, bits: 64, float: false },
  complex128: { code: 15, bits: 128, float: false },
  bfloat16: { code: 16, bits: 16, float: true },
  float8e4m3fn: { code: 17, bits: 8, float: true },
  float8e4m3fnuz: { code: 18, bits: 8, float: true },
  float8e5m2: { code: 19, bits: 8, float: true },
  float8e5m2fnuz: { code: 20, bits: 8, float: true },
  uint4: { code: 21, bits: 4, float: false },
  int4: { code: 22, bits: 4, float: false },
  float4e2m1: { code: 23, bits: 4, float: true },
  float8e8m0: { code: 24, bits: 8, float: true },
  uint2: { code: 25, bits: 2, float: false },
  int2: { code: 26, bits: 2, float: false },
  float6e2m3: { code: 27, bits: 6, float: true },
  float6e3m2: { code: 28, bits: 6, float: true },
} as const;

export type DType = keyof typeof dtypes;

const byCode = new Map(
  Object.entries(dtypes).map(([name, d]) => [d.code as number, name as DType]),
);

/** The element type of TensorProto.DataType `code`; undefined for 0 and codes newer than the table. */
export function dtypeOfCode(code: number): DType | undefined {
  return byCode.get(code);
}

/** Bytes of `count` elements in raw_data; sub-byte types are packed. */
export function byteLength(dtype: DType, count: number): number {
  return Math.ceil((dtypes[dtype].bits * count) / 8);
}

/** A size; a string is the name of a symbolic one (equal names, equal sizes); null is unknown. */
export type Dim = number | string | null;

export interface TensorType {
  readonly dtype: DType;
  /** null: even the rank is unknown. */
  readonly shape: readonly Dim[] | null;
}

/** Elements of a static shape. */
export function elements(shape: readonly number[]): number {
  return shape.reduce((product, dim) => product * dim, 1);
}

export function isStatic(shape: readonly Dim[] | null): shape is readonly number[] {
  return shape?.every((dim) => typeof dim === "number") ?? false;
}

/** `float32[batch, 16, 64]`, as messages show it. */
export function showType(type: TensorType | null): string {
  if (!type) return "unknown type";
  return `${type.dtype}${showShape(type.shape)}`;
}

export function showShape(shape: readonly Dim[] | null): string {
  return shape ? `[${shape.map((dim) => dim ?? "?").join(", ")}]` : "[...]";
}
