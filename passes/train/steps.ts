/** Whole steps as one model: gradients and the optimizer together, as often as there is data, in a Loop. */
import type { Model, Value } from "../../src/ir/graph.ts";
import { declareInput, giveName, keepOutputs } from "../../src/onnx-ops/interface.ts";
import { loopOver } from "../../src/onnx-ops/loop.ts";
import { growerOf } from "./grower-of.ts";
import { nextName, type Ports, portsOf } from "./ports.ts";
import type { OptimizerSpec } from "./recipe.ts";
import type { LossGraph } from "./training-graph.ts";
import { type Form, growUpdates } from "./updates.ts";

export interface StepsRequest {
  readonly optimizer: OptimizerSpec;
  readonly clip: number;
  readonly ema: boolean;
  readonly form: Form;
}

export interface StepsModel extends Ports {
  readonly model: Model;
}

/**
 * A training graph with its gradients becomes a model of steps. Their data and the numbers are given
 * as [steps, ...]; weights, states and averages go in under their names and come out as
 * `nextName`s; losses and norms are [steps]. Gradients that are not finite end the run.
 */
export function stepsModel(
  { model, data, trained, losses }: LossGraph,
  request: StepsRequest,
): StepsModel {
  const { optimizer, clip, ema, form } = request;
  const { graph } = model;
  const parameters = trained.map(({ name, shape, group }) => ({ name, shape, group: group ?? "" }));
  const ports = portsOf({ parameters, optimizer, ema });
  const there = ports.inputs.filter(({ role }) => role !== "parameter" && role !== "gradient");
  const declared = new Map(
    there.map(({ name, dtype, shape }) => [name, declareInput(model, name, { dtype, shape })]),
  );
  const input = (name: string) => declared.get(name)!;
  const [rate, step] = [input(ports.numbers.learningRate), input(ports.numbers.step)];
  const decay = ports.numbers.averageDecay === null ? null : input(ports.numbers.averageDecay);
  const inputs = ports.each.map(({ states, average }, i) => ({
    parameter: trained[i]!.value,
    states: states.map(input),
    average: average === null ? null : input(average),
  }));
  const grower = growerOf(model, "step");
  const wire = (value: Value) => grower.wire(value);
  const { updated, norms } = growUpdates(
    grower,
    inputs.map(({ parameter, states, average }, i) => ({
      group: parameters[i]!.group,
      parameter: wire(parameter),
      gradient: wire(graph.values.get(ports.each[i]!.gradient)!),
      states: states.map(wire),
      average: average && wire(average),
    })),
    {
      optimizer,
      clip,
      form,
      guarded: true,
      shapes: "own",
      learningRate: wire(rate),
      step: wire(step),
      averageDecay: decay && wire(decay),
    },
  );
  grower.patch.commit();
  const carried = updated.flatMap(({ parameter, states, average }, i): [Value, Value][] => {
    const own = inputs[i]!;
    return [
      [own.parameter, parameter.value],
      ...states.map((state, j): [Value, Value] => [own.states[j]!, state.value]),
      ...(average ? [[own.average!, average.value] as [Value, Value]] : []),
    ];
  });
  const kept = [...losses.map(({ value }) => value), ...[...norms.values()].map((w) => w.value)];
  keepOutputs(model, [...carried.map(([, output]) => output), ...kept]);
  for (const [input, output] of carried) giveName(graph, output, nextName(input.name));
  for (const { name, of } of ports.norms) giveName(graph, norms.get(of)!.value, name);
  const fed = data.map(({ name }) => graph.values.get(name)!);
  const loop = loopOver(model, {
    carried,
    gathered: [step, rate, ...(decay ? [decay] : []), ...fed],
    kept,
  });
  const numbers = {
    learningRate: rate.name,
    step: step.name,
    averageDecay: decay?.name ?? null,
  };
  return { ...ports, numbers, model: loop };
}
