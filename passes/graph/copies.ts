/** What a copy of nodes takes along, and what it is called. */
import { scopeOf } from "../../src/anatomy/scopes.ts";
import type { Node, Value } from "../../src/ir/graph.ts";
import { dtypes } from "../../src/ir/types.ts";
import { storedTensor } from "../../src/onnx-ops/stored.ts";

const products = /^(MatMul|Gemm|Conv|ConvTranspose|com\.microsoft::.*)$/;

/**
 * The weights of nodes: floating-point tensors of rank 1 and more that nobody else reads, and
 * matrices that others read too. Shared vectors (the ones of all norms) are constants.
 */
export function weightsOf(nodes: readonly Node[]): Value[] {
  const within = new Set(nodes);
  const found = new Set<Value>();
  for (const node of nodes) {
    for (const value of node.inputs) {
      const tensor = value && storedTensor(value);
      if (!tensor || !dtypes[tensor.dtype].float || tensor.shape.length === 0) continue;
      const own = [...value.uses].every((use) => within.has(use.node));
      const matrix = tensor.shape.length > 1 && products.test(node.op);
      if ((own && value.initializer) || matrix) found.add(value);
    }
  }
  return [...found];
}

/** `blocks.1.attn.qkv.bias` -> `blocks.1.copy1.attn.qkv.bias`; nameless ones by who reads them. */
export function copiedName(weight: Value, scope: string, step: string): string {
  if (weight.name.startsWith(`${scope}.`)) {
    return `${scope}.${step}${weight.name.slice(scope.length)}`;
  }
  const [use] = weight.uses;
  const module = use ? scopeOf(use.node).join(".") : "";
  const tensor = (weight.initializer?.shape.length ?? 2) > 1 ? "weight" : "bias";
  return module.startsWith(`${scope}.`)
    ? `${scope}.${step}${module.slice(scope.length)}.${tensor}`
    : `${scope}.${step}.${weight.name.replace(/^\/|\/$/g, "").replaceAll("/", ".")}`;
}

const scopeKeys = ["pkg.torch.onnx.name_scopes", "namespace"];

/** The exporter's scopes of a node as its copy has them, with the copy's step behind the block's. */
export function rescoped(
  { metadata }: Node,
  scope: string,
  step: string,
): [key: string, text: string][] {
  return scopeKeys.flatMap((key) => {
    const text = metadata.get(key);
    return text === undefined ? [] : [[key, inserted(text, scope, `${scope}.${step}`)]];
  });
}

/** Every whole-path occurrence of `scope`, and of what begins with it. */
function inserted(text: string, scope: string, replacement: string): string {
  const literal = scope.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return text.replace(new RegExp(`(?<![\\w.])${literal}(?![\\w])`, "g"), () => replacement);
}
