/** Sizes that exporters read off a tensor that an edit leaves without other readers. */
import type { Graph, Node, Value } from "../../src/ir/graph.ts";
import type { Extent } from "../../src/onnx-ops/dims.ts";
import type { Patch } from "../../src/onnx-ops/patch.ts";
import { createSizes } from "../../src/onnx-ops/sizes.ts";
import { storedInts } from "../../src/onnx-ops/stored.ts";

/** A Gather of one size of a value. */
interface SizeRead {
  readonly gather: Node;
  readonly dim: Extent;
}

/** Every Gather of a size of what these nodes compute for its shape alone, where an input has that size. */
export function sizesLeft(nodes: Iterable<Node>, graph: Graph): ReadonlyMap<Node, Extent> {
  const left = new Map<Node, Extent>();
  for (const node of nodes) {
    if (node.graph !== graph) continue;
    for (const value of node.outputs) {
      for (const { gather, dim } of (value && sizeReads(value, graph)) ?? []) {
        if (isAtHand(dim, graph)) left.set(gather, dim);
      }
    }
  }
  return left;
}

/** Takes the sizes from the inputs, so that nothing is computed for them. */
export function readElsewhere(left: ReadonlyMap<Node, Extent>, patch: Patch): void {
  const sizes = createSizes(patch);
  for (const [{ inputs, outputs }, size] of left) {
    const isScalar = inputs[1]!.type?.shape?.length === 0;
    patch.shunt(outputs[0]!, isScalar ? sizes.scalar(size) : sizes.vector([size]));
  }
}

const layouts = new Set(["Transpose", "Reshape", "Unsqueeze", "Squeeze", "Identity"]);

/** All reads of a value, however laid out, where each is of one size; else null. */
function sizeReads(value: Value, graph: Graph): SizeRead[] | null {
  const reads: SizeRead[] = [];
  const forms = [value];
  for (const form of forms) {
    if (graph.outputs.includes(form)) return null;
    for (const { node, index } of form.uses) {
      if (layouts.has(node.op) && index === 0) forms.push(node.outputs[0]!);
      else {
        const found = node.op === "Shape" ? gathers(node, form) : null;
        if (!found) return null;
        reads.push(...found);
      }
    }
  }
  return reads;
}

function gathers({ attributes, outputs }: Node, { type }: Value): SizeRead[] | null {
  const reads: SizeRead[] = [];
  if (attributes.size > 0) return null;
  for (const { node: gather, index } of outputs[0]!.uses) {
    const at = gather.op === "Gather" && index === 0 ? storedInts(gather.inputs[1]!) : null;
    const dim = at?.length === 1 ? type?.shape?.at(at[0]!) : null;
    if (dim == null) return null;
    reads.push({ gather, dim });
  }
  return reads;
}

function isAtHand(dim: Extent, { inputs }: Graph): boolean {
  return typeof dim === "number" || inputs.some(({ type }) => type?.shape?.includes(dim));
}
