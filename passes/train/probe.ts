/** A graph that says which of its values is the first that is not finite. */
import type { Model, Node, Value } from "../../src/ir/graph.ts";
import { dtypes } from "../../src/ir/types.ts";
import { keepOutputs } from "../../src/onnx-ops/interface.ts";
import type { Wire } from "../../src/onnx-ops/wire.ts";
import { growerOf } from "./grower-of.ts";

export interface Sign {
  readonly node: Node;
  /** An output of the probe, float32 []: not finite where an output of the node is not. */
  readonly output: string;
}

/**
 * Turns a model into its probe. Its own outputs are gone, so that nothing large leaves it.
 * @returns signs in the order of the nodes.
 */
export function probeFinite(model: Model): Sign[] {
  const grower = growerOf(model, "finite");
  const signs: { node: Node; value: Value }[] = [];
  for (const node of model.graph.nodes) {
    const values = node.outputs.filter((value) => value !== null && isFloat(value));
    const sums = values.map((value) => signOf(grower.wire(value!)));
    if (sums.length > 0) signs.push({ node, value: grower.sum(sums).value });
  }
  grower.patch.commit();
  keepOutputs(
    model,
    signs.map(({ value }) => value),
  );
  return signs.map(({ node, value }) => ({ node, output: value.name }));
}

/** Below it there is only negative infinity, which masks are made of. */
const lowest = -3.4e38;

/** 0 where all elements are sound. */
function signOf(wire: Wire): Wire {
  const whole = wire.cast("float32");
  const { grower } = wire;
  const masked = grower.where(whole.less(lowest), grower.scalar("float32", 0), whole);
  return masked.mul(0).reduce("Sum", undefined, false);
}

function isFloat({ type, producer }: Value): boolean {
  if (!type?.shape || !dtypes[type.dtype].float) return false;
  return producer !== null && !/^(Constant|ConstantOfShape)$/.test(producer.op);
}
