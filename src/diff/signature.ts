/** What a node is, apart from names and from where its inputs come from. */
import { createHash } from "node:crypto";
import type { Attribute, AttributeValue, Graph, Node, Origin, Use, Value } from "../ir/graph.ts";
import { showType } from "../ir/types.ts";
import type { Slice } from "../onnx/source.ts";
import { fingerprint, leafOf } from "./leaves.ts";

/** `axis=1`, `value=float32[3]...`: equal texts, equal attributes. */
function showAttribute({ name, value, origin }: Attribute): string {
  return `${name}=${value.type === "opaque" ? encoded(origin) : attributeText(value)}`;
}

/** What nobody reads is compared as it is written. */
function encoded(origin: Origin | null): string {
  if (!origin) return "";
  const { source, from, to } = origin as Slice;
  return createHash("sha1")
    .update(source.read(from, to - from))
    .digest("base64");
}

/** Attributes that say what holds anyway: one exporter writes them, another does not. */
const redundant: readonly RegExp[] = [
  /^Gemm (alpha|beta)=1$/,
  /^Gemm (transA|transB)=0$/,
  /^Conv (group=1|auto_pad="NOTSET"|(dilations|strides)=\[1(,1)*\]|pads=\[0(,0)*\])$/,
  /^(LayerNormalization|RMSNormalization) (axis=-1|stash_type=1)$/,
  /^(Softmax|LogSoftmax) axis=-1$/,
  /^(Gather|Split|ArgMax|ArgMin) axis=0$/,
  /^Reshape allowzero=0$/,
  /^Reduce\w+ (keepdims=1|noop_with_empty_axes=0)$/,
  /^Cast saturate=1$/,
];

/** The attributes that matter, by name, as text. */
export function attributesOf(node: Node): ReadonlyMap<string, string> {
  const texts = [...node.attributes.values()].map(
    (each) => [each.name, showAttribute(each)] as const,
  );
  return new Map(texts.filter(([, text]) => !redundant.some((r) => r.test(`${node.op} ${text}`))));
}

function attributeText(value: AttributeValue): string {
  switch (value.type) {
    case "string":
      return JSON.stringify(new TextDecoder().decode(value.value));
    case "strings":
      return JSON.stringify(value.value.map((each) => new TextDecoder().decode(each)));
    case "tensor":
      return fingerprint(value.value);
    case "tensors":
      return value.value.map(fingerprint).join();
    case "graph":
      return graphText(value.value);
    case "graphs":
      return value.value.map(graphText).join(";");
    case "floats":
    case "ints":
      return `[${value.value}]`;
    case "float":
    case "int":
      return String(value.value);
    case "opaque":
      return "";
  }
}

/** Operator and attributes; inputs and outputs by their number, and which are left out. */
export function signatureOf(node: Node): string {
  const attributes = [...attributesOf(node).values()].sort();
  const ports = node.inputs.map((value) => (value ? "x" : "-")).join("");
  return `${node.op}(${ports})${node.outputs.length}{${attributes.join(",")}}`;
}

/** A body of If, Loop, Scan or of a function: its values numbered, its captures by name. */
export function graphText(graph: Graph): string {
  const numbers = new Map<Value, number>();
  const define = (value: Value | null) => value && numbers.set(value, numbers.size);
  const read = (value: Value | null): string => {
    if (!value) return "-";
    const number = numbers.get(value);
    if (number !== undefined) return `%${number}`;
    const leaf = leafOf(value);
    return leaf ? fingerprint(leaf) : `^${value.name}`;
  };
  graph.inputs.forEach(define);
  const lines = graph.nodes.map((node) => {
    const line = `${signatureOf(node)}(${node.inputs.map(read)})`;
    node.outputs.forEach(define);
    return line;
  });
  const inputs = graph.inputs.map((value) => showType(value.type));
  return `{${inputs}|${lines.join(";")}|${graph.outputs.map(read)}}`;
}

const commutative: ReadonlySet<string> = new Set([
  "Add",
  "Mul",
  "And",
  "Or",
  "Xor",
  "Equal",
  "Max",
  "Min",
  "Sum",
]);

export function isCommutative(node: Node): boolean {
  return commutative.has(node.op);
}

/** The inputs; where their order means nothing, tensors stand behind what is computed. */
export function operandsOf(node: Node): readonly (Value | null)[] {
  if (!isCommutative(node)) return node.inputs;
  const isLeaf = (value: Value | null) => value !== null && leafOf(value) !== null;
  return [...node.inputs.filter((v) => !isLeaf(v)), ...node.inputs.filter(isLeaf)];
}

/** Which input reads a value; 0 where their order means nothing. */
export function portOf({ node, index }: Use): number {
  return isCommutative(node) ? 0 : index;
}
