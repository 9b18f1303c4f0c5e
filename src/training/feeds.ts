/** What the graphs of a stage are fed: samples, draws, and what the teacher says of them. */
import type { DataPlan } from "../../passes/train/data-plan.ts";
import { batchesOf, type CheckedData, type Feeds } from "../../runtime/index.ts";
import type { Stage } from "./stages.ts";
import type { Teacher } from "./teacher.ts";

/** How long a stage is, and how a step is put together. */
export interface Shape {
  readonly steps: number;
  /** Samples of one run of the training graphs, and runs of a step. */
  readonly batch: number;
  readonly runs: number;
}

export interface FeedOptions {
  readonly stage: Stage;
  readonly shape: Shape;
  readonly plan: DataPlan;
  readonly data: CheckedData;
  readonly teacher: Teacher | null;
  readonly seed: number;
}

/** The feeds of run `run` of step `step`. */
export function feedsOf(options: FeedOptions): (step: number, run: number) => Promise<Feeds> {
  const { stage, shape, plan, data, teacher, seed } = options;
  const batches = batchesOf({ ...plan, data, seed, ...shape, noise: stage.graph.noise });
  const ports = new Set(stage.graph.data.map(({ name }) => name));
  return async (step, run) => {
    const feeds = batches(step, run);
    const targets = teacher ? await teacher.targets(feeds) : [];
    return new Map([...feeds, ...targets].filter(([name]) => ports.has(name)));
  };
}
