/** Which initializers are weights that learn: what layers read, told apart from constants. */
import { isDotted } from "../../src/anatomy/scopes.ts";
import { materialize } from "../../src/ir/bytes.ts";
import type { Node, Value } from "../../src/ir/graph.ts";
import { dtypes, elements } from "../../src/ir/types.ts";
import { decodeElements } from "../../src/onnx-ops/elements.ts";
import { storedBehind } from "../graph/constants.ts";
import { modulationTable } from "../graph/modulation.ts";

/** Inputs of layers that hold weights. */
const layers: Readonly<Record<string, readonly number[]>> = {
  MatMul: [0, 1],
  Gemm: [1, 2],
  Einsum: [0, 1, 2],
  Conv: [1, 2],
  ConvTranspose: [1, 2],
  Gather: [0],
  LayerNormalization: [1, 2],
  RMSNormalization: [1],
  GroupNormalization: [1, 2],
  InstanceNormalization: [1, 2],
  BatchNormalization: [1, 2],
  PRelu: [1],
  "com.microsoft::FusedMatMul": [1],
  "com.microsoft::FusedGemm": [1, 2],
  "com.microsoft::Attention": [1, 2],
  "com.microsoft::MultiHeadAttention": [3],
  "com.microsoft::EmbedLayerNormalization": [2, 3, 4, 5, 6],
  "com.microsoft::SkipLayerNormalization": [2, 3, 4],
  "com.microsoft::SkipSimplifiedLayerNormalization": [2, 3],
  "com.microsoft::BiasGelu": [1],
  "com.microsoft::FastGelu": [1],
};

/** Where an operand is a bias, a scale or a table only by what it is. */
const arithmetic = /^(Add|Sub|Mul|Div)$/;

const frequencies = /(^|\.)(inv_freq|freqs?|freqs_cis|cos|sin|cos_cached|sin_cached)(_|\.|$)/;

/**
 * Weights and biases of linear, convolution, embedding and norm layers, and, in nodes of `tables`,
 * tables that are added or multiplied, if they have a name or are adaLN-single's. Not: scalars, what is not floating point, frequency
 * tables, and the ones and zeros that exporters write where a norm has no weights.
 */
export function layerWeights(nodes: Iterable<Node>, tables: (node: Node) => boolean): Set<Value> {
  const found = new Set<Value>();
  const consider = (value: Value | null | undefined, learns: (weight: Value) => boolean) => {
    const weight = value ? storedBehind(value) : null;
    if (weight?.initializer && isWeight(weight) && learns(weight)) found.add(weight);
  };
  for (const node of nodes) {
    for (const index of layers[node.op] ?? []) {
      consider(node.inputs[index], (weight) => !isIdle(weight));
    }
    if (!arithmetic.test(node.op)) continue;
    const bias = node.op === "Add" && node.inputs.some((value) => value && isProduct(value));
    const scale = node.op === "Mul" && node.inputs.some((value) => value && isNormed(value));
    for (const value of node.inputs) {
      consider(value, (weight) => {
        return (
          ((bias || scale) && isVector(weight)) ||
          (tables(node) &&
            (isDotted(weight.name) || modulationTable(node) === weight) &&
            !isIdle(weight))
        );
      });
    }
  }
  return found;
}

function isWeight(value: Value): boolean {
  const { dtype, shape } = value.initializer!;
  return dtypes[dtype].float && elements(shape) > 1 && !frequencies.test(value.name);
}

function isVector(value: Value): boolean {
  return value.initializer!.shape.filter((dim) => dim !== 1).length <= 1;
}

/** All ones or all zeros, and read in several places: what stands for weights that a norm lacks. */
function isIdle(value: Value): boolean {
  const readers = new Set([...value.uses].map(({ node }) => node));
  if (isDotted(value.name) && readers.size < 2) return false;
  const { dtype, data, shape } = value.initializer!;
  if (elements(shape) > 1 << 20) return false;
  const values = decodeElements(dtype, materialize(data));
  return values[0] === 0 || values[0] === 1 ? values.every((each) => each === values[0]) : false;
}

/** What a linear layer or a convolution gives, before its bias. */
function isProduct(value: Value): boolean {
  const { producer } = value;
  if (!producer) return false;
  if (/^(Reshape|Squeeze|Unsqueeze|Cast)$/.test(producer.op)) {
    return producer.inputs[0] ? isProduct(producer.inputs[0]) : false;
  }
  const product = /^(MatMul|Gemm|Conv|com\.microsoft::FusedMatMul)$/.test(producer.op);
  return product && producer.inputs.some((input) => input && storedBehind(input) !== null);
}

/** x / sqrt(mean(x^2) + eps), as exporters write it out. */
function isNormed(value: Value): boolean {
  const { producer } = value;
  if (!producer) return false;
  if (producer.op === "Cast") return producer.inputs[0] ? isNormed(producer.inputs[0]) : false;
  if (producer.op !== "Mul" && producer.op !== "Div") return false;
  return producer.inputs.some((input) => {
    const source = input?.producer;
    const root = source?.op === "Reciprocal" ? source.inputs[0]?.producer : source;
    return root?.op === "Sqrt" || (root?.op === "Pow" && source?.op === "Pow");
  });
}
