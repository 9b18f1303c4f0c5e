/**
 * ONNX Runtime for Node has no bfloat16 at a graph's border and next to no kernels for it. Shapes
 * do not depend on it, so a probe asks about float16 instead.
 */
import { type Attribute, Graph, Node } from "../../src/ir/graph.ts";
import { dtypes, type TensorType } from "../../src/ir/types.ts";
import type { Scene } from "./scene.ts";

/** Attributes that are element types; the number 16 in any other is a size. */
const typeAttributes = new Set(["to", "dtype", "output_dtype", "stash_type", "softmax_precision"]);

export function hasBfloat16(scene: Scene): boolean {
  return (
    scene.inputs.some(({ type }) => type.dtype === "bfloat16") ||
    scene.nodes.some((node) => mappedNode(node) !== node)
  );
}

/** The same scene with float16 in the place of bfloat16. */
export function withFloat16(scene: Scene): Scene {
  const graph = new Graph(scene.graph.name);
  graph.nodes = scene.nodes.map(mappedNode);
  graph.inputs = scene.graph.inputs;
  graph.outputs = scene.graph.outputs;
  for (const value of scene.graph.initializers) graph.initializers.add(value);
  const inputs = scene.inputs.map(({ value, type }) => ({ value, type: mappedType(type) }));
  return { ...scene, graph, nodes: graph.nodes, inputs };
}

function mappedType(type: TensorType): TensorType {
  return type.dtype === "bfloat16" ? { ...type, dtype: "float16" } : type;
}

function mappedNode(node: Node): Node {
  const attributes = [...node.attributes.values()].map(mappedAttribute);
  if (attributes.every((each) => each === node.attributes.get(each.name))) return node;
  const { name, opType, domain } = node;
  const copy = new Node({
    name,
    opType,
    domain,
    attributes: new Map(attributes.map((each) => [each.name, each])),
  });
  copy.inputs = node.inputs;
  copy.outputs = node.outputs;
  return copy;
}

function mappedAttribute(attribute: Attribute): Attribute {
  const { name, value } = attribute;
  if (value.type === "tensor" && value.value.dtype === "bfloat16") {
    const tensor = { ...value.value, dtype: "float16" as const, origin: null };
    return { name, value: { type: "tensor", value: tensor }, origin: null };
  }
  const isType = typeAttributes.has(name) && value.type === "int";
  if (isType && value.value === BigInt(dtypes.bfloat16.code)) {
    return { name, value: { type: "int", value: BigInt(dtypes.float16.code) }, origin: null };
  }
  return attribute;
}
