/** A stage made ready within a run: what earlier stages learned is in it, and it fits. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import type { Edited } from "../../passes/train/parameters.ts";
import { storeResults } from "../../passes/train/results.ts";
import { addGradients } from "../../passes/train/training-graph.ts";
import { type Device, memoryForUs } from "../../runtime/index.ts";
import type { EditingOptions } from "../editing.ts";
import { readSafetensors, type StoredTensor } from "../onnx/index.ts";
import type { Program } from "../plan/index.ts";
import type { Prepared } from "./prepare.ts";
import type { StageContext } from "./run-stage.ts";
import { fitStage } from "./stage-graphs.ts";
import { recipesOf, stageOf } from "./stages.ts";
import { openTeacher } from "./teacher.ts";

export interface StageOptions extends EditingOptions {
  /** Bytes that training may take; what is free unless said. */
  readonly memory?: number | undefined;
  readonly onProgress?: ((done: number, total: number, words: string) => void) | undefined;
}

export interface Workplace {
  readonly program: Program;
  readonly stages: readonly Prepared[];
  /** For graphs; it is emptied after each stage. */
  readonly folder: string;
  /** Where stages leave what they learned; null: they do not. */
  readonly results: string | null;
  readonly device: Device;
  readonly threads: number;
  /** Steps of one call of the runtime. */
  readonly most: number;
  /** Bytes that sites are put together for; a run keeps them, since its bits depend on it. */
  readonly memory: number;
}

/** What a stage, counted from 1, learned. */
export function resultPath(folder: string, number: number): string {
  return join(folder, `stage${number}.safetensors`);
}

/**
 * Puts what the first `count` stages learned into an edited model. The recipes are those of its own
 * plan: what they select are places of that model alone.
 */
export function learn(edited: Edited, count: number, folder: string): void {
  for (const [index, recipe] of recipesOf(edited).slice(0, count).entries()) {
    const { tensors } = readSafetensors(resultPath(folder, index + 1));
    storeResults(recipe, edited, tensors as ReadonlyMap<string, StoredTensor>);
  }
}

/** @throws GraftError for what keeps stage `index` from training. */
export async function tryStage(
  options: StageOptions,
  { program, stages }: Pick<Workplace, "program" | "stages">,
  index: number,
): Promise<void> {
  const { sizes, shape } = stages[index]!;
  const { graph } = await stageOf(options, program, index, { graph: { sizes, noised: true } });
  addGradients(graph, shape.runs);
}

/** Makes the graphs of stage `index` and runs `use` with them; its files and sessions end with it. */
export async function withStage<T>(
  options: StageOptions,
  { program, stages, folder, results, device, threads, most, memory }: Workplace,
  index: number,
  use: (context: StageContext) => Promise<T>,
): Promise<T> {
  const { recipe, plan, data, shape, sizes } = stages[index]!;
  const make = async (sites?: ReadonlySet<string>) => {
    const prepare = (edited: Edited) => {
      if (results !== null) learn(edited, index, results);
    };
    const graph = { sizes, noised: true, sites };
    return { ...(await stageOf(options, program, index, { prepare, graph })), recipe };
  };
  let close = async () => {};
  try {
    const made = await make();
    const teacher = await openTeacher(made, { folder, device, threads, sizes });
    close = async () => teacher?.close();
    const stage = await fitStage(made, {
      shape,
      teacher: teacher?.memory ?? null,
      planned: memory,
      available: options.memory ?? memoryForUs(),
      anew: make,
    });
    const { seed = 0, signal, onProgress = () => {} } = options;
    const rest = { number: index + 1, shape, plan, data, teacher, folder };
    return await use({ ...rest, stage, threads, most, seed, device, signal, onProgress });
  } finally {
    await close();
    rmSync(folder, { recursive: true, force: true });
  }
}
