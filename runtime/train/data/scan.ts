/** Looks at every element that training will see, a stretch of samples at a time. */
import { type DType, dtypes } from "../../../src/ir/types.ts";
import { type Fault, indicesOf } from "../../../src/onnx-ops/finite.ts";
import { numbersOf } from "../../../src/onnx-ops/numbers.ts";
import type { Rows } from "./rows.ts";

/** The first element that is not as it should be. */
export interface Flaw {
  readonly value: number;
  /** `sample 17`, `sample 17 at [0, 3, 7]` */
  readonly place: string;
}

const stretchBytes = 1 << 22;

export function outside(dtype: DType, { least, most }: Range): Fault {
  return (bytes) => {
    const values = numbersOf(dtype, bytes);
    for (let i = 0; i < values.length; i++) {
      if (values[i]! < least || values[i]! > most) return i;
    }
    return -1;
  };
}

export interface Range {
  readonly least: number;
  readonly most: number;
}

/** Of a type of whole numbers. */
export function rangeOf(dtype: DType): Range {
  const { bits } = dtypes[dtype];
  if (dtype.startsWith("u")) return { least: 0, most: 2 ** bits - 1 };
  return { least: -(2 ** (bits - 1)), most: 2 ** (bits - 1) - 1 };
}

/**
 * The first flaw in these samples.
 * @param advance is called with the bytes looked at since the last call.
 */
export async function findFlaw(
  tensor: { readonly dtype: DType; readonly shape: readonly number[]; readonly rows: Rows },
  samples: Uint32Array,
  fault: Fault,
  watch: { advance(bytes: number): void; readonly signal?: AbortSignal | undefined },
): Promise<Flaw | null> {
  const { dtype, shape, rows } = tensor;
  const stretch = Math.max(1, Math.floor(stretchBytes / rows.rowBytes));
  const perSample = (8 * rows.rowBytes) / dtypes[dtype].bits;
  for (let at = 0; at < samples.length; at += stretch) {
    const numbers = samples.subarray(at, at + stretch);
    const bytes = rows.read(numbers);
    const element = fault(bytes);
    if (element >= 0) {
      const place = element % perSample;
      const sample = numbers[(element - place) / perSample]!;
      const where = shape.length > 0 ? ` at [${indicesOf(place, shape).join(", ")}]` : "";
      return { value: numbersOf(dtype, bytes)[element]!, place: `sample ${sample}${where}` };
    }
    watch.advance(bytes.length);
    await new Promise(setImmediate);
    watch.signal?.throwIfAborted();
  }
  return null;
}
