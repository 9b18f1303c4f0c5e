/** ONNX files: read and written without losing anything. */
export { type ReadOptions, readModel } from "./read-model.ts";
export { tensorBytes, tensorValues } from "./values.ts";
