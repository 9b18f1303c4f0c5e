import type { EditingOptions } from "../editing.ts";
import type { EditsOptions } from "../edits.ts";
import type { PublishOptions } from "../publish.ts";

/** `dryRun` takes two steps of each stage and says what all of them would take. */
export interface TrainOptions extends EditingOptions, EditsOptions, PublishOptions {
  /** `.safetensors`, `.npz`, `.npy`, or a folder of them. */
  readonly data: string;
  /** Checkpoints, log and chart; `<out>.run` unless said. */
  readonly run?: string | undefined;
  /** Goes on where the run stopped. */
  readonly resume?: boolean | undefined;
  /** In the place of the recipe's. */
  readonly steps?: number | undefined;
  readonly batch?: number | undefined;
  /** Bytes that training may take; what is free unless said. */
  readonly memory?: number | undefined;
  /** At most; 1 on the CPU and 64 on CUDA unless said. A run keeps what it began with. */
  readonly stepsPerCall?: number | undefined;
  /** Seconds between two checkpoints; 180 unless said. */
  readonly interval?: number | undefined;
  readonly onProgress?: ((done: number, total: number, words: string) => void) | undefined;
}
