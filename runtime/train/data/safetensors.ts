/** Tensors of .safetensors files. */
import type { DiskFile } from "../../../src/onnx/disk-file.ts";
import { readSafetensors } from "../../../src/onnx/index.ts";
import { type Stored, stored } from "./stored.ts";

/** @throws GraftError where the file is damaged. */
export function readSafetensorsData(path: string): Map<string, Stored> {
  const found = new Map<string, Stored>();
  for (const [name, { dtype, shape, data }] of readSafetensors(path).tensors) {
    if (data.kind !== "file") throw new Error(`${name} of ${path} is not in the file`);
    const extent = { file: data.file as DiskFile, offset: data.offset };
    found.set(
      name,
      stored(path, dtype, shape, async () => extent),
    );
  }
  return found;
}
