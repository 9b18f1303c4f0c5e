/** Whether a stage fits into memory, and the sites that go together where it does not at once. */
import { type Memory, memoryOf } from "../../passes/train/memory.ts";
import type { LossGraph } from "../../passes/train/training-graph.ts";
import { updateRuleOf } from "../../passes/train/update-rules.ts";
import { fail } from "../diag/diagnostic.ts";
import { showBytes } from "../diag/figures.ts";
import type { Value } from "../ir/graph.ts";
import { elements } from "../ir/types.ts";
import type { Shape } from "./feeds.ts";
import type { Stage } from "./stages.ts";

/** Bytes, by what they are for. */
export interface Need {
  /** Weights that learn, their gradients, and what the optimizer keeps of each. */
  readonly arrays: number;
  /** Weights that are only read. */
  readonly frozen: number;
  /** What is alive at once within a step. */
  readonly step: number;
  readonly total: number;
}

/** Node, ONNX Runtime and the program themselves. */
const base = 220e6;
/** Of a graph of that many nodes: as objects here, and as a session. */
const perNode = 12e3;
/** The thread that runs the teacher. */
const perThread = 20e6;

/** @param graph with its gradients. @param teacher what runs beside it. */
export function needOf(
  { recipe }: Stage,
  graph: LossGraph,
  teacher: Memory | null,
  outputs: readonly Value[] = graph.model.graph.outputs,
): Need {
  const { peak, frozen, nodes } = memoryOf(graph.model.graph, outputs);
  const states = updateRuleOf(recipe.optimizer).states.length;
  const copies = 2 + states + (recipe.ema === null ? 0 : 1);
  const trained = graph.trained.reduce((sum, { shape }) => sum + elements(shape), 0);
  const arrays = 4 * copies * trained;
  const all = frozen + (teacher?.frozen ?? 0);
  const step = peak + (teacher?.peak ?? 0);
  const program = base + perNode * nodes + (teacher ? perThread + perNode * teacher.nodes : 0);
  return { arrays, frozen: all, step, total: program + arrays + all + step };
}

/**
 * The sites of distill in groups that fit, one training graph each; null: all at once.
 * @throws GraftError `memory-short` where they do not fit one by one.
 */
export function groupsThatFit(
  stage: Stage,
  need: Need,
  shape: Shape,
  teacher: Memory | null,
  available: number,
): readonly (readonly string[])[] | null {
  if (need.total <= available) return null;
  const groups = splitSites(stage, teacher, available);
  if (groups) return groups;
  refuseShort(stage, need, shape, available);
  return null;
}

/** @throws GraftError `memory-short` where a step does not fit, and how it would. */
export function refuseShort(stage: Stage, need: Need, shape: Shape, available: number): void {
  if (need.total <= available) return;
  throw fail(
    "memory-short",
    { needed: showBytes(need.total), available: showBytes(available) },
    { at: stage.recipe.span, hint: wayOut(stage, need, shape, available) },
  );
}

function splitSites(
  stage: Stage,
  teacher: Memory | null,
  available: number,
): readonly (readonly string[])[] | null {
  const { graph } = stage;
  const sites = graph.losses.flatMap(({ group }) => group ?? []);
  const outputsOf = (labels: readonly string[]) => {
    const has = new Set(labels);
    const losses = graph.losses.filter(({ group }) => group !== null && has.has(group));
    const { outputs } = graph.model.graph;
    const gradients = outputs.slice(-graph.trained.length);
    return [
      ...losses.map(({ value }) => value),
      ...gradients.filter((_, i) => has.has(graph.trained[i]!.group ?? "")),
    ];
  };
  const fits = (labels: readonly string[]) =>
    needOf(stage, graph, teacher, outputsOf(labels)).total <= available;
  const groups: string[][] = [];
  for (const site of sites) {
    const last = groups.at(-1);
    if (last && fits([...last, site])) last.push(site);
    else if (fits([site])) groups.push([site]);
    else return null;
  }
  return groups.length > 1 ? groups : null;
}

/** A batch that fits, with as many samples in a step. */
function wayOut({ recipe }: Stage, need: Need, { batch }: Shape, available: number): string {
  const share = (available - (need.total - need.step)) / need.step;
  const most = Math.floor(0.9 * share * batch);
  const fitting = Array.from({ length: Math.max(0, most) }, (_, i) => most - i).find(
    (size) => batch % size === 0,
  );
  if (fitting !== undefined) {
    const accumulate = (recipe.accumulate * batch) / fitting;
    return `\`batch: ${fitting}, accumulate: ${accumulate}\` takes less, for the same steps`;
  }
  return recipe.lora
    ? "train less of the model"
    : "train less of the model, or adapters: `lora: 8`";
}
