/** ONNX Runtime behind plain functions; nothing of it is loaded before the first is called. */
export { fittingInputs } from "./infer/infer-types.ts";
export { createOracle } from "./infer/oracle.ts";
export { cpu, type Device, parseDevice } from "./session/device.ts";
export { loads } from "./session/loads.ts";
export {
  openSession,
  type Result,
  type Session,
  type SessionOptions,
} from "./session/session.ts";
export { type Tensor, type Tensors, tensorOf, valuesOf } from "./session/tensor.ts";
export {
  type CompareOptions,
  type Comparison,
  compareModels,
  type OutputComparison,
} from "./verify/compare.ts";
export { type Difference, differenceOf } from "./verify/difference.ts";
export { candidateFeeds } from "./verify/feeds.ts";
export { type Timing, type TimingOptions, timeModels } from "./verify/timing.ts";
