/** What goes into and comes out of a graph that updates parameters, and what it is called there. */
import type { TensorType } from "../../src/ir/types.ts";
import type { OptimizerSpec } from "./recipe.ts";
import { updateRuleOf } from "./update-rules.ts";

export interface TrainedTensor {
  /** As in a state_dict. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly group: string;
}

export interface PortsRequest {
  readonly parameters: readonly TrainedTensor[];
  readonly optimizer: OptimizerSpec;
  /** With averaged weights. */
  readonly ema: boolean;
}

/** An input: a number that each step is told, or an array in the shape of a parameter. */
export interface OptimizerInput extends TensorType {
  readonly name: string;
  readonly role: NumberRole | "parameter" | "gradient" | "state" | "ema";
  /** The parameter it belongs to. */
  readonly of?: string;
}

export type NumberRole = "learning_rate" | "step" | "ema_decay";

/** What the numbers are called; null: there are no averages. */
export interface NumberNames {
  readonly learningRate: string;
  readonly step: string;
  readonly averageDecay: string | null;
}

/** What belongs to a parameter. */
export interface ParameterPorts {
  readonly gradient: string;
  /** In the order of the rule's names. */
  readonly states: readonly string[];
  readonly average: string | null;
}

export interface Ports {
  readonly numbers: NumberNames;
  /** In the order of the parameters. */
  readonly each: readonly ParameterPorts[];
  /** All of it, in the order of optimizer_model.onnx. */
  readonly inputs: readonly OptimizerInput[];
  /** Of the gradients of each group. */
  readonly norms: readonly { readonly name: string; readonly of: string }[];
}

/** What the gradient of a parameter is called, as an output of training and an input here. */
export const gradientName = (parameter: string) => `${parameter}.grad`;

/** What takes the place of an input after a step. */
export const nextName = (input: string) => `${input}.next`;

/** Names of parameters are given; where one is that of a number, the number makes way. */
export function portsOf({ parameters, optimizer, ema }: PortsRequest): Ports {
  const taken = new Set(parameters.map(({ name }) => name));
  const free = (name: string): string => (taken.has(name) ? free(`${name}_`) : name);
  const numbers = {
    learningRate: free("learning_rate"),
    step: free("step"),
    averageDecay: ema ? free("ema_decay") : null,
  };
  const each = parameters.map(({ name }) => ({
    gradient: gradientName(name),
    states: updateRuleOf(optimizer).states.map((state) => `${name}.${state}`),
    average: ema ? `${name}.ema` : null,
  }));
  const scalar = { dtype: "float32", shape: [] } as const;
  const inputs: OptimizerInput[] = [
    { name: numbers.learningRate, role: "learning_rate", ...scalar },
    { name: numbers.step, role: "step", dtype: "int64", shape: [] },
    ...(numbers.averageDecay === null
      ? []
      : [{ name: numbers.averageDecay, role: "ema_decay", ...scalar } as const]),
    ...parameters.flatMap(({ name, shape }, i): OptimizerInput[] => {
      const tensor = { dtype: "float32", shape, of: name } as const;
      const { gradient, states, average } = each[i]!;
      return [
        { name, role: "parameter", ...tensor },
        { name: gradient, role: "gradient", ...tensor },
        ...states.map((state) => ({ name: state, role: "state", ...tensor }) as const),
        ...(average === null ? [] : [{ name: average, role: "ema", ...tensor } as const]),
      ];
    }),
  ];
  const groups = [...new Set(parameters.map(({ group }) => group))];
  return { numbers, each, inputs, norms: groups.map((of) => ({ name: `norm.${of}`, of })) };
}
