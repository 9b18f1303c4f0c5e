/** An optimizer as a model of its own: optimizer_model.onnx, and what training runs on CPUs. */
import type { Model } from "../../src/ir/graph.ts";
import type { TensorType } from "../../src/ir/types.ts";
import { blankModel, declareOutput } from "../../src/onnx-ops/blank-model.ts";
import { Grower } from "../../src/onnx-ops/grower.ts";
import { Patch } from "../../src/onnx-ops/patch.ts";
import type { Wire } from "../../src/onnx-ops/wire.ts";
import type { OptimizerSpec } from "./recipe.ts";
import { updateRuleOf } from "./update-rules.ts";
import { type Form, growUpdates } from "./updates.ts";

export interface TrainedTensor {
  /** As in a state_dict. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly group: string;
}

export interface OptimizerRequest {
  readonly parameters: readonly TrainedTensor[];
  readonly optimizer: OptimizerSpec;
  /** Largest norm of a group's gradients; infinity: whatever it is. */
  readonly clip: number;
  /** With averaged weights, which artifacts leave to their host. */
  readonly ema: boolean;
  /** With the norm of each group's gradients, for a log; where one is not finite, the run fails. */
  readonly norms: boolean;
  readonly form: Form;
  /** `any`: outputs may be reshaped, with their elements in the same order; saves copies. */
  readonly shapes: "own" | "any";
}

export interface OptimizerInput extends TensorType {
  readonly name: string;
  readonly role:
    | "learning_rate"
    | "step"
    | "parameter"
    | "gradient"
    | "state"
    | "ema_decay"
    | "ema";
  /** The parameter it belongs to. */
  readonly of?: string;
}

export interface OptimizerOutput {
  readonly name: string;
  readonly role: "parameter" | "state" | "ema" | "norm";
  /** The input that it replaces; of a norm, the group. */
  readonly of: string;
  readonly shape: readonly number[];
}

export interface OptimizerModel {
  readonly model: Model;
  readonly inputs: readonly OptimizerInput[];
  readonly outputs: readonly OptimizerOutput[];
}

/** Of training graphs: Loop and Pad of later ones have no CUDA kernels. */
const opset = 20;
const irVersion = 9;

/** What the gradient of a parameter is called, as an output of training and an input here. */
export const gradientName = (parameter: string) => `${parameter}.grad`;

/** States start at zero, averages as the parameters, `step` at 1. */
export function optimizerModel(request: OptimizerRequest): OptimizerModel {
  const { parameters, optimizer, clip, ema, norms, form, shapes } = request;
  const stateNames = updateRuleOf(optimizer).states;
  const inputs = inputsOf(parameters, stateNames, ema);
  const model = blankModel({
    path: "optimizer_model.onnx",
    opset,
    irVersion,
    producer: { name: "graftc", version: "" },
    inputs: Object.fromEntries(inputs.map(({ name, dtype, shape }) => [name, { dtype, shape }])),
  });
  const grower = new Grower(new Patch(model.graph, null, ""), opset);
  const input = (name: string) => grower.wire(model.graph.values.get(name)!);
  const { updated, norms: normOf } = growUpdates(
    grower,
    parameters.map(({ name, group }) => ({
      group,
      parameter: input(name),
      gradient: input(gradientName(name)),
      states: stateNames.map((state) => input(`${name}.${state}`)),
      average: ema ? input(`${name}.ema`) : null,
    })),
    {
      optimizer,
      clip,
      form,
      shapes,
      learningRate: input("learning_rate"),
      step: input("step"),
      averageDecay: ema ? input("ema_decay") : null,
      guarded: norms,
    },
  );
  grower.patch.commit();
  const outputs: OptimizerOutput[] = [];
  const declare = (role: OptimizerOutput["role"], of: string, wire: Wire, name: string) => {
    declareOutput(model, wire.value, name, wire.type);
    outputs.push({ name, role, of, shape: wire.shape as readonly number[] });
  };
  const replace = (role: OptimizerOutput["role"], of: string, wire: Wire) =>
    declare(role, of, wire, `${of}.next`);
  parameters.forEach(({ name }, i) => {
    const { parameter, states, average } = updated[i]!;
    replace("parameter", name, parameter);
    for (const [j, state] of states.entries()) replace("state", `${name}.${stateNames[j]}`, state);
    if (average) replace("ema", `${name}.ema`, average);
  });
  if (norms) for (const [group, norm] of normOf) declare("norm", group, norm, `norm.${group}`);
  return { model, inputs, outputs };
}

function inputsOf(
  parameters: readonly TrainedTensor[],
  states: readonly string[],
  ema: boolean,
): OptimizerInput[] {
  const scalar = { dtype: "float32", shape: [] } as const;
  return [
    { name: "learning_rate", role: "learning_rate", ...scalar },
    { name: "step", role: "step", dtype: "int64", shape: [] },
    ...(ema ? [{ name: "ema_decay", role: "ema_decay", ...scalar } as const] : []),
    ...parameters.flatMap(({ name, shape }): OptimizerInput[] => {
      const tensor = { dtype: "float32", shape, of: name } as const;
      return [
        { name, role: "parameter", ...tensor },
        { name: gradientName(name), role: "gradient", ...tensor },
        ...states.map((state) => ({ name: `${name}.${state}`, role: "state", ...tensor }) as const),
        ...(ema ? [{ name: `${name}.ema`, role: "ema", ...tensor } as const] : []),
      ];
    }),
  ];
}
