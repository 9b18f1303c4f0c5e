/** An optimizer as a model of its own: optimizer_model.onnx, and what training runs on CPUs. */
import type { Model } from "../../src/ir/graph.ts";
import { blankModel, declareOutput } from "../../src/onnx-ops/blank-model.ts";
import { Grower } from "../../src/onnx-ops/grower.ts";
import { Patch } from "../../src/onnx-ops/patch.ts";
import type { Wire } from "../../src/onnx-ops/wire.ts";
import { nextName, type Ports, type PortsRequest, portsOf } from "./ports.ts";
import { type Form, growUpdates } from "./updates.ts";

export interface OptimizerRequest extends PortsRequest {
  /** Largest norm of a group's gradients; infinity: whatever it is. */
  readonly clip: number;
  /** With the norm of each group's gradients, for a log; where one is not finite, the run fails. */
  readonly norms: boolean;
  readonly form: Form;
  /** `any`: outputs may be reshaped, with their elements in the same order; saves copies. */
  readonly shapes: "own" | "any";
}

export interface OptimizerOutput {
  readonly name: string;
  readonly role: "parameter" | "state" | "ema" | "norm";
  /** The input that it replaces; of a norm, the group. */
  readonly of: string;
  readonly shape: readonly number[];
}

export interface OptimizerModel extends Ports {
  readonly model: Model;
  readonly outputs: readonly OptimizerOutput[];
}

/** Of training graphs: Loop and Pad of later ones have no CUDA kernels. */
const opset = 20;
const irVersion = 9;

/** States start at zero, averages as the parameters, `step` at 1. Artifacts leave averages to their host. */
export function optimizerModel(request: OptimizerRequest): OptimizerModel {
  const { parameters, optimizer, clip, norms, form, shapes } = request;
  const ports = portsOf(request);
  const { numbers, each } = ports;
  const model = blankModel({
    path: "optimizer_model.onnx",
    opset,
    irVersion,
    producer: { name: "graftc", version: "" },
    inputs: Object.fromEntries(
      ports.inputs.map(({ name, dtype, shape }) => [name, { dtype, shape }]),
    ),
  });
  const grower = new Grower(new Patch(model.graph, null, ""), opset);
  const input = (name: string) => grower.wire(model.graph.values.get(name)!);
  const { updated, norms: normOf } = growUpdates(
    grower,
    parameters.map(({ name, group }, i) => ({
      group,
      parameter: input(name),
      gradient: input(each[i]!.gradient),
      states: each[i]!.states.map(input),
      average: each[i]!.average === null ? null : input(each[i]!.average!),
    })),
    {
      optimizer,
      clip,
      form,
      shapes,
      learningRate: input(numbers.learningRate),
      step: input(numbers.step),
      averageDecay: numbers.averageDecay === null ? null : input(numbers.averageDecay),
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
    declare(role, of, wire, nextName(of));
  parameters.forEach(({ name }, i) => {
    const { parameter, states, average } = updated[i]!;
    replace("parameter", name, parameter);
    for (const [j, state] of states.entries()) replace("state", each[i]!.states[j]!, state);
    if (average) replace("ema", each[i]!.average!, average);
  });
  if (norms) for (const { name, of } of ports.norms) declare("norm", of, normOf.get(of)!, name);
  return { ...ports, model, outputs };
}
