/** A graph that runs once becomes the body of a Loop, which runs it several times in one call. */
import { defineInitializer, defineValue, removeInitializer, renameValue } from "../ir/edit.ts";
import { Graph, type Model, Value } from "../ir/graph.ts";
import type { TensorType } from "../ir/types.ts";
import { freeName } from "./interface.ts";
import { Patch } from "./patch.ts";

export interface LoopPlan {
  /** Inputs that take over an output from the trip before, and that output. */
  readonly carried: readonly (readonly [input: Value, output: Value])[];
  /** Inputs that are given for all trips at once, [trips, ...]; the first says how many there are. */
  readonly gathered: readonly [Value, ...Value[]];
  /** Outputs that are kept of every trip, [trips, ...]. */
  readonly kept: readonly Value[];
}

/**
 * The same names go in and come out. Weights, and inputs that are not in the plan, are read by all
 * trips from outside of the body.
 */
export function loopOver(model: Model, plan: LoopPlan): Model {
  const body = model.graph;
  const outer = new Graph("loop");
  const trip = inputOf(body, freeName(body, "loop.trip"), { dtype: "int64", shape: [] });
  const goesOn = inputOf(body, freeName(body, "loop.goes_on"), { dtype: "bool", shape: [] });
  const patch = new Patch(body, null, "loop");
  const still = patch.one("Identity", [goesOn], { types: [goesOn.type] });
  const carriedInputs = new Set(plan.carried.map(([input]) => input));
  for (const value of plan.gathered) {
    const all = inputOf(outer, value.name, each(value));
    const own = patch.one("Gather", [all, trip], { attributes: { axis: 0 }, types: [value.type] });
    patch.shunt(value, own);
  }
  patch.commit();
  const gathered = new Set(plan.gathered);
  for (const value of body.inputs) {
    if (value === trip || value === goesOn) continue;
    if (gathered.has(value)) body.values.delete(value.name);
    else if (!carriedInputs.has(value)) moveOut(body, outer, value);
  }
  for (const value of [...body.initializers]) {
    const initializer = value.initializer!;
    removeInitializer(body, value);
    defineInitializer(outer, value, initializer);
  }
  const starts = plan.carried.map(([input]) => inputOf(outer, aside(body, input), input.type!));
  const results = [...plan.carried.map(([, output]) => output), ...plan.kept];
  const names = results.map((output) => aside(body, output));
  body.inputs = [trip, goesOn, ...plan.carried.map(([input]) => input)];
  body.outputs = [still, ...results];
  for (const value of body.outputs) value.declared = true;

  const above = new Patch(outer, null, "");
  const sizes = above.one("Shape", [outer.values.get(plan.gathered[0].name)!]);
  const count = above.one("Gather", [sizes, above.scalar("int64", 0)], { attributes: { axis: 0 } });
  const always = above.constant("bool", [], { kind: "memory", data: Uint8Array.of(1) });
  const types = results.map((value, i) => {
    return i < plan.carried.length ? value.type : each(value);
  });
  const outputs = above.add("Loop", [count, always, ...starts], {
    attributes: { body },
    outputs: results.length,
    types,
  });
  above.commit();
  outputs.forEach((value, i) => {
    renameValue(outer, value, names[i]!);
    value.declared = true;
    outer.outputs.push(value);
  });
  return { ...model, graph: outer, origin: null };
}

function each({ type }: Value): TensorType {
  return { dtype: type!.dtype, shape: ["trips", ...(type!.shape ?? [])] };
}

function inputOf(graph: Graph, name: string, type: TensorType): Value {
  const value = new Value(name, type);
  value.declared = true;
  defineValue(graph, value);
  graph.inputs.push(value);
  return value;
}

function moveOut(body: Graph, outer: Graph, value: Value): void {
  body.values.delete(value.name);
  defineValue(outer, value);
  outer.inputs.push(value);
}

/** Leaves its name to the value outside; returns that. */
function aside(body: Graph, value: Value): string {
  const { name } = value;
  renameValue(body, value, freeName(body, `${name}.in_loop`));
  return name;
}
