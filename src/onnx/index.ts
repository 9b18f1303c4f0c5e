/** ONNX files: read and written without losing anything. */

export { fillFolder } from "./aside.ts";
export { encodeProbe, type ProbeOptions } from "./encode-probe.ts";
export { bytesRead, filesOf, writtenBytes } from "./plan-write.ts";
export { type ReadOptions, readModel } from "./read-model.ts";
export {
  readSafetensors,
  type Safetensors,
  type StoredTensor,
  writeSafetensors,
} from "./safetensors.ts";
export { dataFileOf, type External } from "./targets.ts";
export { abandonWrites } from "./temporary.ts";
export { tensorBytes, tensorValues } from "./values.ts";
export {
  beginWrite,
  type Write,
  type WriteOptions,
  type WriteResult,
  writeModel,
} from "./write-model.ts";
