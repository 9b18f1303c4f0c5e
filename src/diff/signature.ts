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
  return new Map(plainAttributes(node, () => true));
}

function plainAttributes(node: Node, wanted: (attribute: Attribute) => boolean) {
  return [...node.attributes.values()]
    .filter(wanted)
    .map((each) => [each.name, showAttribute(each)] as const)
    .filter(([, text]) => !redundant.some((pattern) => pattern.test(`${node.op} ${text}`)));
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
    case "reference":
      return `@${value.name}`;
    case "opaque":
      return "";
  }
}

/** Operator and attributes; inputs and outputs by their number, and which are left out. */
export function signatureOf(node: Node): string {
  return signatureWith(node, attributesOf(node));
}

function signatureWith(node: Node, attributes: ReadonlyMap<string, string>): string {
  const ports = node.inputs.map((value) => (value ? "x" : "-")).join("");
  return `${node.op}(${ports})${node.outputs.length}{${[...attributes.values()].sort()}}`;
}

/** A body of If, Loop, Scan or of a function: its values and its captures numbered. */
export function graphText(graph: Graph): string {
  return textWith(graph, []);
}

/** @param captures is filled with the outer values that are read, in order of appearance. */
function textWith(graph: Graph, captures: Value[], outer: ReadonlySet<Value> = new Set()): string {
  const own = new Map<Value, number>();
  const define = (value: Value | null) => value && own.set(value, own.size);
  const read = (value: Value | null): string => {
    if (!value) return "-";
    const number = own.get(value);
    if (number !== undefined) return `%${number}`;
    const leaf = leafOf(value);
    if (leaf) return fingerprint(leaf);
    if (outer.has(value)) return `outer ${value.name}`;
    if (!captures.includes(value)) captures.push(value);
    return `^${captures.indexOf(value)}`;
  };
  graph.inputs.forEach(define);
  const lines = graph.nodes.map((node) => {
    const inner = node.subgraphs.map((body) =>
      textWith(body, captures, new Set([...outer, ...own.keys()])),
    );
    const plain = new Map(plainAttributes(node, ({ value }) => !value.type.startsWith("graph")));
    const line = `${signatureWith(node, plain)}${inner}(${node.inputs.map(read)})`;
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

/**
 * What a node reads: its inputs, and the captures of its bodies. Where the order of inputs means
 * nothing, tensors stand behind what is computed.
 */
export function operandsOf(node: Node): readonly (Value | null)[] {
  if (node.subgraphs.length > 0) {
    const captures: Value[] = [];
    for (const body of node.subgraphs) textWith(body, captures);
    return [...node.inputs, ...captures];
  }
  if (!isCommutative(node)) return node.inputs;
  const isLeaf = (value: Value | null) => value !== null && leafOf(value) !== null;
  return [...node.inputs.filter((v) => !isLeaf(v)), ...node.inputs.filter(isLeaf)];
}

/** Which input reads a value; 0 where their order means nothing. */
export function portOf({ node, index }: Use): number {
  return isCommutative(node) ? 0 : index;
}
