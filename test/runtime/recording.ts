import { readFileSync } from "node:fs";
import type { Tensor } from "../../runtime/index.ts";
import type { DType } from "../../src/ir/types.ts";

const dtypes: Record<string, DType> = { F32: "float32", F16: "float16", I64: "int64" };

/** The inputs and outputs in a NAME.io.safetensors. */
export function readRecording(path: string) {
  const file = readFileSync(path);
  const length = Number(file.readBigUInt64LE());
  const header: Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }> =
    JSON.parse(file.toString("utf8", 8, 8 + length));
  const tensors = Object.entries(header).map(([name, { dtype, shape, data_offsets }]) => {
    const [from, to] = data_offsets.map((offset) => 8 + length + offset);
    const data = new Uint8Array(file.subarray(from, to));
    return [name, { dtype: dtypes[dtype]!, shape, data }] as const;
  });
  const under = (prefix: string): ReadonlyMap<string, Tensor> =>
    new Map(
      tensors.flatMap(([name, tensor]) =>
        name.startsWith(prefix) ? [[name.slice(prefix.length), tensor] as const] : [],
      ),
    );
  return { inputs: under("in."), outputs: under("out.") };
}
