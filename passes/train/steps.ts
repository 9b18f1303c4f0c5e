/** Whole steps as one model: gradients and the optimizer together, as often as there is data, in a Loop. */
import type { Model, Value } from "../../src/ir/graph.ts";
import type { TensorType } from "../../src/ir/types.ts";
import { declareInput, giveName, keepOutputs } from "../../src/onnx-ops/interface.ts";
import { loopOver } from "../../src/onnx-ops/loop.ts";
import { growerOf } from "./grower-of.ts";
import { gradientName } from "./optimizers.ts";
import type { OptimizerSpec } from "./recipe.ts";
import type { LossGraph } from "./training-graph.ts";
import { updateRuleOf } from "./update-rules.ts";
import { type Form, growUpdates } from "./updates.ts";

export interface StepsRequest {
  readonly optimizer: OptimizerSpec;
  readonly clip: number;
  readonly ema: boolean;
  readonly form: Form;
}

/**
 * A training graph with its gradients becomes a model of steps. Their data, `learning_rate`, `step`
 * and `ema_decay` are given as [steps, ...]; weights, states and averages go in under their names
 * and come out as `<name>.next`; losses and `norm.<group>` are [steps]. Gradients that are not
 * finite end the run.
 */
export function stepsModel(
  { model, data, trained, losses }: LossGraph,
  request: StepsRequest,
): Model {
  const { optimizer, clip, ema, form } = request;
  const { graph } = model;
  const scalar: TensorType = { dtype: "float32", shape: [] };
  const rate = declareInput(model, "learning_rate", scalar);
  const step = declareInput(model, "step", { dtype: "int64", shape: [] });
  const decay = ema ? declareInput(model, "ema_decay", scalar) : null;
  const stateNames = updateRuleOf(optimizer).states;
  const inputs = trained.map(({ name, value, shape }) => {
    const type: TensorType = { dtype: "float32", shape };
    const beside = (suffix: string) => declareInput(model, `${name}.${suffix}`, type);
    return {
      parameter: value,
      states: stateNames.map(beside),
      average: ema ? beside("ema") : null,
    };
  });
  const grower = growerOf(model, "step");
  const wire = (value: Value) => grower.wire(value);
  const { updated, norms } = growUpdates(
    grower,
    trained.map(({ name, group }, i) => ({
      group: group ?? "",
      parameter: wire(inputs[i]!.parameter),
      gradient: wire(graph.values.get(gradientName(name))!),
      states: inputs[i]!.states.map(wire),
      average: inputs[i]!.average && wire(inputs[i]!.average!),
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
  for (const [input, output] of carried) giveName(graph, output, `${input.name}.next`);
  for (const [group, norm] of norms) giveName(graph, norm.value, `norm.${group}`);
  const fed = data.map(({ name }) => graph.values.get(name)!);
  return loopOver(model, {
    carried,
    gathered: [step, rate, ...(decay ? [decay] : []), ...fed],
    kept,
  });
}
