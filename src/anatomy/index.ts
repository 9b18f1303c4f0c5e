/**
 * Anatomy: from a flat graph to stacks of residual blocks and their parts, by structure.
 * `flow` reads the graph, `residual` finds the sums, `branch` takes each branch apart at its cuts,
 * `chains` and `grouping` put them in rows and blocks, `attention` and `mlp` look inside.
 */
import type { Model } from "../ir/graph.ts";
import type { Anatomy } from "./anatomy.ts";
import type { Findings } from "./branch.ts";
import { createConstants } from "./constants.ts";
import { findCores } from "./cores.ts";
import { draftStacks } from "./drafts.ts";
import { buildFlow } from "./flow.ts";
import { findLinears } from "./linears.ts";
import { placeSteps } from "./placed.ts";
import { outsideOf } from "./places.ts";
import { findSteps } from "./residual.ts";
import { buildStacks } from "./stacks.ts";

export type * from "./anatomy.ts";
export { graftOf } from "./grafted.ts";

/**
 * The blocks of a model. Names and scopes only label what was found. Value types, where they are
 * filled in, tell widths and heads; without them less is found, nothing else.
 */
export function anatomize(model: Model): Anatomy {
  const flow = buildFlow(model);
  const constants = createConstants();
  const linears = findLinears(flow, constants);
  const cores = findCores(flow, constants);
  const coreOf = new Map(cores.map((core) => [core.op, core]));
  const findings: Findings = { constants, linears, cores, coreOf };
  const { steps } = findSteps(flow, linears, cores, constants);
  const placed = placeSteps(steps, findings);
  const drafts = draftStacks(flow, placed, findings);
  const stacks = buildStacks(flow, drafts, findings);
  const { unplaced, remarks } = outsideOf(flow, stacks, drafts, findings);
  return { stacks, unplaced, remarks };
}
