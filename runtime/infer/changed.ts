/** A graph that is asked about again after edits: what they touched is probed, and nothing else. */
import type { Graph, Model, Node, Value } from "../../src/ir/graph.ts";
import { type Dim, showType, type TensorType } from "../../src/ir/types.ts";
import { Refusal } from "./probe.ts";
import { borderOf, type Scene, sceneOf } from "./scene.ts";
import { cutter } from "./segments.ts";
import type { Types } from "./tell.ts";
import { typesWithin } from "./trials.ts";

/** What was said of a graph, and of which nodes. */
interface Memory {
  readonly opsets: string;
  readonly types: ReadonlyMap<Value, TensorType>;
  readonly nodes: Makings;
}

/** All that the types of a node's outputs follow from, but for those of its inputs. */
type Making = readonly unknown[];
type Makings = ReadonlyMap<Node, Making>;

const memory = new WeakMap<Graph, Memory>();

export function remember(model: Model, graph: Graph, types: Types, nodes = makingsOf(graph)): void {
  const known = new Map<Value, TensorType>();
  graph.values.forEach((value) => {
    const type = types.get(value.name);
    if (type) known.set(value, type);
  });
  memory.set(graph, { opsets: opsetsOf(model), types: known, nodes });
}

function opsetsOf({ opsets }: Model): string {
  return [...opsets].filter(([domain]) => domain === "").join();
}

function makingsOf({ nodes }: Graph): Makings {
  const makings = new Map<Node, Making>();
  for (const node of nodes) makings.set(node, makingOf(node));
  return makings;
}

function makingOf({ inputs, outputs, attributes }: Node): Making {
  const making: unknown[] = [];
  attributes.forEach((attribute) => {
    making.push(attribute);
  });
  making.push(null);
  for (const value of inputs) making.push(value, value?.initializer);
  making.push(null);
  for (const value of outputs) making.push(value);
  return making;
}

/**
 * The types of every value of a graph that was asked about before.
 * @returns undefined where it was not, or where types have changed that other nodes build on: then only
 * the whole graph can tell, in the runtime's words too where it does not fit together.
 */
export async function changedTypes(model: Model, graph: Graph): Promise<Types | undefined> {
  const known = memory.get(graph);
  if (known?.opsets !== opsetsOf(model) || graph.nodes.some(hasBody)) return undefined;
  const makings = makingsOf(graph);
  const changed = new Set<Node>();
  makings.forEach((making, node) => {
    if (!isSame(making, known.nodes.get(node))) changed.add(node);
  });
  const whole = sceneOf(model, graph, new Set());
  const isOther = (value: Value, type: TensorType) => {
    const before = known.types.get(value);
    return before && before !== type && showType(before) !== showType(type);
  };
  if (whole.inputs.some(({ value, type }) => isOther(value, type))) return undefined;
  const told = await partOf(whole, changed, known);
  if (!told) return undefined;

  const types: Types = borderOf(whole);
  for (const value of whole.outputs) {
    const type = changed.has(value.producer!) ? told.get(value.name) : known.types.get(value);
    if (!type || type.shape?.some(isNameless)) return undefined;
    // Who reads it was not asked again.
    if (isOther(value, type)) return undefined;
    types.set(value.name, type);
  }
  remember(model, graph, types, makings);
  return types;
}

/** Types of what the changed nodes make; undefined where the runtime cannot tell, or refuses them. */
async function partOf(
  whole: Scene,
  changed: ReadonlySet<Node>,
  { types }: Memory,
): Promise<Types | undefined> {
  if (changed.size === 0) return new Map();
  if (2 * changed.size > whole.nodes.length) return undefined;
  const part = cutter(whole)([...changed], (value) => {
    return value.producer && changed.has(value.producer) ? undefined : types.get(value);
  });
  try {
    return await typesWithin(whole, part);
  } catch (cause) {
    if (cause instanceof Refusal) return undefined;
    throw cause;
  }
}

function hasBody({ subgraphs }: Node): boolean {
  return subgraphs.length > 0;
}

function isSame(making: Making, before: Making | undefined): boolean {
  return making.length === before?.length && making.every((each, i) => each === before[i]);
}

/** A size that is only known to be equal to others of the name. */
function isNameless(dim: Dim): boolean {
  return dim === null || /^\?\d+$/.test(String(dim));
}
