/** A stage with its gradients, in graphs that fit into memory. */
import type { Memory } from "../../passes/train/memory.ts";
import { addGradients, type LossGraph } from "../../passes/train/training-graph.ts";
import { keepOutputs } from "../onnx-ops/interface.ts";
import type { Shape } from "./feeds.ts";
import { groupsThatFit, type Need, needOf, refuseShort } from "./fit.ts";
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
  /** Bytes that sites are put together for. */
  readonly planned: number;
  /** Bytes that are free. */
  readonly available: number;
  /** Makes the stage anew for some of its sites. */
  readonly anew: (sites: ReadonlySet<string>) => Promise<Stage>;
}

/** Adds gradients. The sum over sites is the host's, so that it is the same for all groups of them. */
function grow(graph: LossGraph, runs: number): LossGraph {
  addGradients(graph, runs);
  const [sum, ...sites] = graph.losses;
  if (sites.length === 0) return graph;
  const { model } = graph;
  keepOutputs(
    model,
    model.graph.outputs.filter((value) => value !== sum!.value),
  );
  return { ...graph, losses: sites };
}

/** @throws GraftError `memory-short`, and what `addGradients` throws. */
export async function fitStage(made: Stage, options: FitOptions): Promise<FittedStage> {
  const { shape, teacher, planned, available, anew } = options;
  const graph = grow(made.graph, shape.runs);
  const stage = { ...made, graph };
  const need = needOf(stage, graph, teacher);
  const groups = groupsThatFit(stage, need, shape, teacher, planned);
  if (!groups) {
    refuseShort(stage, need, shape, available);
    return { ...stage, graphs: [graph], need };
  }
  const graphs: LossGraph[] = [];
  const needs: Need[] = [];
  for (const sites of groups) {
    const part = grow((await anew(new Set(sites))).graph, shape.runs);
    graphs.push(part);
    needs.push(needOf(stage, { ...part, trained: graph.trained }, teacher));
  }
  const largest = needs.reduce((a, b) => (b.total > a.total ? b : a));
  refuseShort(stage, largest, shape, available);
  return { ...stage, graphs, need: largest };
}
