/** A stage with its gradients, in graphs that fit into memory. */
import type { Memory } from "../../passes/train/memory.ts";
import { addGradients, type LossGraph } from "../../passes/train/training-graph.ts";
import type { Shape } from "./feeds.ts";
import { groupsThatFit, type Need, needOf } from "./fit.ts";
import type { Stage } from "./stages.ts";

export interface FittedStage extends Stage {
  /** The stage's own graph, or one for each group of its sites. */
  readonly graphs: readonly LossGraph[];
  readonly need: Need;
}

export interface FitOptions {
  readonly shape: Shape;
  /** What runs beside it. */
  readonly teacher: Memory | null;
  /** Bytes. */
  readonly available: number;
  /** Makes the stage anew for some of its sites. */
  readonly anew: (sites: ReadonlySet<string>) => Promise<Stage>;
}

/** @throws GraftError `memory-short`, and what `addGradients` throws. */
export async function fitStage(stage: Stage, options: FitOptions): Promise<FittedStage> {
  const { shape, teacher, available, anew } = options;
  addGradients(stage.graph, shape.runs);
  const need = needOf(stage, stage.graph, teacher);
  const groups = groupsThatFit(stage, need, shape, teacher, available);
  if (!groups) return { ...stage, graphs: [stage.graph], need };
  const graphs: LossGraph[] = [];
  const needs: Need[] = [];
  for (const sites of groups) {
    const { graph } = await anew(new Set(sites));
    addGradients(graph, shape.runs);
    graphs.push(graph);
    needs.push(needOf(stage, { ...graph, trained: stage.graph.trained }, teacher));
  }
  const largest = needs.reduce((a, b) => (b.total > a.total ? b : a));
  return { ...stage, graphs, need: largest };
}
