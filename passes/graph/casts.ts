/** Casts that exporters write around a stream, most of them to the type that it has. */
import type { Node, Value } from "../../src/ir/graph.ts";
import { dtypes } from "../../src/ir/types.ts";
import type { Patch } from "../../src/onnx-ops/patch.ts";

function passesOn(node: Node): boolean {
  return node.op === "Cast" || node.op === "Identity";
}

/** `value` in the element type of `like`: mixed-precision exports cast between blocks. */
export function sameType(patch: Patch, value: Value, like: Value): Value {
  const [type, wanted] = [value.type, like.type];
  if (!type || !wanted || type.dtype === wanted.dtype) return value;
  const { dtype } = wanted;
  const attributes = { to: dtypes[dtype].code };
  return patch.one("Cast", [value], { attributes, types: [{ ...type, dtype }] });
}

/** What a value is a cast of. */
export function behindCasts(value: Value): Value {
  return behind(value, passesOn);
}

/** What comes to a value by the first inputs of such nodes, however many they are. */
export function behind(value: Value, passes: (node: Node) => boolean): Value {
  let at = value;
  while (at.producer && passes(at.producer) && at.producer.inputs[0]) at = at.producer.inputs[0];
  return at;
}

/** The value itself, and casts of it that some of these nodes make. */
export function aliasesOf(value: Value, nodes: ReadonlySet<Node>): Value[] {
  const found = [value];
  for (const each of found) {
    for (const { node } of each.uses) {
      if (nodes.has(node) && passesOn(node)) found.push(...node.outputs.filter((y) => y !== null));
    }
  }
  return found;
}
