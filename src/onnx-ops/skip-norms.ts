/**
 * A norm of the sum of a stream, what joins it and a bias in one operator: output 0 is the norm, output
 * 3 the sum. Inputs 0 and 1 are the two terms.
 */
import { isUnread, type Node, type Value } from "../ir/graph.ts";

export interface SkipNorm {
  readonly norm: "LayerNormalization" | "RMSNormalization";
  /** Which input scales the normed sum, shifts it, and is added to the terms. */
  readonly scale: number;
  readonly shift: number | null;
  readonly bias: number;
}

export const skipNorms: Readonly<Record<string, SkipNorm>> = {
  "com.microsoft::SkipLayerNormalization": {
    norm: "LayerNormalization",
    scale: 2,
    shift: 3,
    bias: 4,
  },
  "com.microsoft::SkipSimplifiedLayerNormalization": {
    norm: "RMSNormalization",
    scale: 2,
    shift: null,
    bias: 3,
  },
};

/** Of operators that leave epsilon out. */
export const skipNormEpsilon = 1e-12;

/** What such an operator adds to both terms; null where it adds nothing, or is none. */
export function skipNormBias(node: Node): Value | null {
  const form = skipNorms[node.op];
  return (form && node.inputs[form.bias]) ?? null;
}

/** Whether a sum and a norm can stand for a node: it is such an operator, and nobody reads its statistics. */
export function comesApart({ op, outputs, graph }: Node): boolean {
  if (!skipNorms[op] || !outputs[0]?.type?.shape) return false;
  return outputs.slice(1, 3).every((value) => !value || isUnread(value, graph));
}
