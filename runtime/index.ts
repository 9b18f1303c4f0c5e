/** ONNX Runtime behind plain functions; nothing of it is loaded before the first is called. */

export { createOracle } from "./infer/oracle.ts";
export { fittingInputs } from "./infer/trials.ts";
export { checkDevice, cpu, type Device, parseDevice } from "./session/device.ts";
export { memoryForUs } from "./session/free-memory.ts";
export { loads } from "./session/loads.ts";
export { reasonOf } from "./session/ort.ts";
export {
  openSession,
  type Result,
  type Session,
  type SessionOptions,
} from "./session/session.ts";
export { type Tensor, type Tensors, tensorOf, valuesOf } from "./session/tensor.ts";
export { type BatchOptions, batchesOf, type Feeds } from "./train/batches.ts";
export type { Checkpoint } from "./train/checkpoint.ts";
export {
  type CheckedData,
  checkData,
  type Feed,
  reportUnused,
  type Wanted,
} from "./train/data/check.ts";
export { type Dataset, openData } from "./train/data/dataset.ts";
export { type LogRow, readLog } from "./train/log.ts";
export { drawLossChart } from "./train/loss-chart.ts";
export { createMeter, type Meter, progressLine } from "./train/progress-line.ts";
export {
  beginRun,
  fingerprintOf,
  type Json,
  type Run,
  type RunPlan,
  resumeRun,
} from "./train/run-folder.ts";
export { averageDecay, learningRate } from "./train/schedule.ts";
export {
  float32,
  int64,
  openTrainer,
  RunFailure,
  sentinel,
  type Trainer,
} from "./train/trainer.ts";
export type { Program, Slot } from "./train/worker.ts";
export {
  type CompareOptions,
  type Comparison,
  compareModels,
  type OutputComparison,
} from "./verify/compare.ts";
export { type Difference, differenceOf } from "./verify/difference.ts";
export { candidateFeeds } from "./verify/feeds.ts";
export { type Timing, type TimingOptions, timeModels } from "./verify/timing.ts";
