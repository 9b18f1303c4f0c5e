/** A site of the edited model, grown into the original beside what it replaced. */
import { fail } from "../../src/diag/diagnostic.ts";
import type { Graph, Node, Value } from "../../src/ir/graph.ts";
import { positionsIn } from "../../src/onnx-ops/anchor.ts";
import type { Patch } from "../../src/onnx-ops/patch.ts";
import type { DistillSite } from "./sites.ts";

export interface Transplant {
  /** The site's outputs in the original's graph. */
  readonly outputs: readonly Value[];
  /** Weights of the edited model, and what holds them in the original's graph. */
  readonly weights: ReadonlyMap<Value, Value>;
}

/** What computes a site's outputs from its inputs. */
export interface Reach {
  readonly nodes: ReadonlySet<Node>;
  readonly weights: ReadonlySet<Value>;
  /** Values from elsewhere that it reads beside its inputs. */
  readonly outside: ReadonlySet<Value>;
}

/** @param grown nodes that edits made, which the original does not have. */
export function reachOf(site: DistillSite, grown: ReadonlySet<Node>): Reach {
  const met = new Set(site.inputs.map(([here]) => here));
  const nodes = new Set<Node>();
  const weights = new Set<Value>();
  const outside = new Set<Value>();
  const open = site.outputs.map(([here]) => here);
  for (let value = open.pop(); value; value = open.pop()) {
    if (met.has(value)) continue;
    met.add(value);
    const { producer } = value;
    if (value.initializer) weights.add(value);
    else if (!producer || !(site.nodes.has(producer) || grown.has(producer))) outside.add(value);
    else if (!nodes.has(producer)) {
      nodes.add(producer);
      open.push(...producer.inputs.filter((input) => input !== null));
    }
  }
  return { nodes, weights, outside };
}

/**
 * Copies what computes the site's outputs. It reads the original's values: of the same name, but for
 * the site's own inputs. Weights come along, under names that `name` gives.
 * @throws GraftError `site-reads-new` where the original has no such value.
 */
export function transplant(
  site: DistillSite,
  reach: Reach,
  patch: Patch,
  name: (weight: Value) => string,
): Transplant {
  const map = new Map<Value, Value>(site.inputs);
  const weights = new Map<Value, Value>();
  for (const value of reach.weights) {
    const { dtype, shape, data } = value.initializer!;
    const copy = patch.weight(name(value), dtype, shape, data);
    map.set(value, copy);
    weights.set(value, copy);
  }
  for (const value of reach.outside) map.set(value, twinOf(value, patch.graph, site));
  const position = positionsIn(site.outputs[0]![0].producer!.graph!, new Set(reach.nodes));
  const ordered = [...reach.nodes].sort((a, b) => position.get(a)! - position.get(b)!);
  patch.clone(ordered, map);
  return { outputs: site.outputs.map(([here]) => map.get(here)!), weights };
}

function twinOf(value: Value, graph: Graph, { label }: DistillSite): Value {
  const twin = graph.values.get(value.name);
  if (!twin) throw fail("site-reads-new", { site: label, value: value.name });
  return twin;
}
