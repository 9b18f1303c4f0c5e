/**
 * Fused operators in the terms of the plain ones, so that the search knows one way of writing things.
 * An expansion returns false where this node is no such case. Only what matters to data flow and to
 * recognition is kept; attributes are read from the node itself.
 */
import { type SkipNorm, skipNorms } from "../onnx-ops/skip-norms.ts";
import type { FlowBuilder, Wire } from "./flow.ts";

type Expansion = (at: FlowBuilder) => boolean;

/** out0 = norm(sum), out3 = sum = input + skip + bias. */
function skipNorm({ norm, bias, scale, shift }: SkipNorm): Expansion {
  return (at) => {
    const terms = [at.input(0), at.input(1), at.input(bias)].filter((wire) => wire !== null);
    const [sum] = at.op("Add", terms, [at.output(3)]);
    const affine = [at.input(scale), shift === null ? null : at.input(shift)];
    at.op(norm, [sum!, ...affine], [at.output(0)]);
    return true;
  };
}

/** y = f(x + bias), where there is a bias. */
function biased(activation: string): Expansion {
  return (at) => {
    const [x, bias] = [at.input(0), at.input(1)];
    const sum = bias ? at.op("Add", [x, bias], [null])[0]! : x;
    at.op(activation, [sum], at.outputs);
    return true;
  };
}

/** Gemm whose C is no bias but data: a residual add that an optimizer pulled in. */
const gemm: Expansion = (at) => {
  const c = at.input(2);
  if (!c || c.constant || (at.node.float("beta") ?? 1) !== 1) return false;
  const [product] = at.op("Gemm", [at.input(0), at.input(1)], [null]);
  at.op("Add", [product!, c], at.outputs);
  return true;
};

/** A product with an activation at its end. */
function activated(type: string, inputs: number): Expansion {
  return (at) => {
    const name = at.node.string("activation");
    if (!name) return false;
    const own: (Wire | null)[] = Array.from({ length: inputs }, (_, i) => at.input(i));
    let [y] = at.op(type, own, [null]);
    const rest = at.input(inputs);
    if (rest) [y] = at.op("Add", [y!, rest], [null]);
    at.op(name, [y!], at.outputs);
    return true;
  };
}

export const expansions: Readonly<Record<string, Expansion>> = {
  ...Object.fromEntries(Object.entries(skipNorms).map(([op, form]) => [op, skipNorm(form)])),
  "com.microsoft::BiasGelu": biased("Gelu"),
  "com.microsoft::FastGelu": biased("FastGelu"),
  "com.microsoft::BiasSplitGelu": biased("SplitGelu"),
  "com.microsoft::BiasAdd": (at) => {
    at.op("Add", [at.input(0), at.input(1), at.input(2)], at.outputs);
    return true;
  },
  "com.microsoft::FusedGemm": activated("Gemm", 3),
  "com.microsoft::FusedConv": activated("Conv", 3),
  Gemm: gemm,
};
