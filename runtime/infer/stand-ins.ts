/**
 * What a probe asks about instead, where ONNX Runtime cannot answer: types and shapes are the same.
 * bfloat16 has no border in Node and next to no kernels, so it becomes float16. The comparisons
 * "or equal" have no shape inference below opset 16, their strict forms do.
 */
import { type Attribute, Graph, Node } from "../../src/ir/graph.ts";
import { dtypes, type TensorType } from "../../src/ir/types.ts";
import type { Scene } from "./scene.ts";

/** Attributes that are element types; the number 16 in any other is a size. */
const typeAttributes = new Set(["to", "dtype", "output_dtype", "stash_type", "softmax_precision"]);

const standIns: Readonly<Record<string, string>> = {
  GreaterOrEqual: "Greater",
  LessOrEqual: "Less",
};

/** The scene with stand-ins, and whether its float16 stands for bfloat16. */
export function withStandIns(scene: Scene): { readonly scene: Scene; readonly bfloat16: boolean } {
  const nodes = scene.nodes.map(standInFor);
  const inputs = scene.inputs.map(({ value, type }) => ({ value, type: mappedType(type) }));
  if (nodes.every((node, i) => node === scene.nodes[i]) && !scene.inputs.some(isBfloat16)) {
    return { scene, bfloat16: false };
  }
  const graph = new Graph(scene.graph.name);
  graph.nodes = nodes;
  graph.inputs = scene.graph.inputs;
  graph.outputs = scene.graph.outputs;
  for (const value of scene.graph.initializers) graph.initializers.add(value);
  const bfloat16 =
    scene.inputs.some(isBfloat16) ||
    scene.nodes.some((node) => [...node.attributes.values()].some((a) => mappedAttribute(a) !== a));
  return { scene: { ...scene, graph, nodes, inputs }, bfloat16 };
}

function isBfloat16({ type }: { readonly type: TensorType }): boolean {
  return type.dtype === "bfloat16";
}

function mappedType(type: TensorType): TensorType {
  return type.dtype === "bfloat16" ? { ...type, dtype: "float16" } : type;
}

function standInFor(node: Node): Node {
  const opType = (node.domain === "" && standIns[node.opType]) || node.opType;
  const attributes = [...node.attributes.values()].map(mappedAttribute);
  const same = attributes.every((each) => each === node.attributes.get(each.name));
  if (same && opType === node.opType) return node;
  const { name, domain } = node;
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
