/** Sizes that exporters read off a tensor that an edit leaves without other readers. */
import type { Graph, Node, Value } from "../../src/ir/graph.ts";
import type { Dim } from "../../src/ir/types.ts";
import type { Patch } from "../../src/onnx-ops/patch.ts";
import { storedInts } from "../../src/onnx-ops/stored.ts";

/** A Gather of one size of a value. */
interface SizeRead {
  readonly gather: Node;
  readonly dim: Dim;
}

/** A number, or an axis of an input of the model. */
type Source = number | { readonly input: Value; readonly axis: number };

/** Of each Gather of a size of what these nodes compute for its shape alone: where else that size is. */
export function sizesLeft(nodes: Iterable<Node>, graph: Graph): ReadonlyMap<Node, Source> {
  const sources = new Map<Node, Source>();
  for (const node of nodes) {
    if (node.graph !== graph) continue;
    for (const value of node.outputs) {
      for (const { gather, dim } of (value && sizeReads(value, graph)) ?? []) {
        const source = sourceOf(dim, graph);
        if (source !== null) sources.set(gather, source);
      }
    }
  }
  return sources;
}

/** Takes the sizes from there, so that nothing is computed for them. */
export function readElsewhere(sources: ReadonlyMap<Node, Source>, patch: Patch): void {
  for (const [{ inputs, outputs }, source] of sources) {
    patch.shunt(outputs[0]!, sizeFrom(source, inputs[1]!, patch));
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

function sourceOf(dim: Dim, { inputs }: Graph): Source | null {
  if (typeof dim === "number") return dim;
  for (const input of inputs) {
    const axis = input.initializer ? -1 : (input.type?.shape?.indexOf(dim) ?? -1);
    if (axis >= 0) return { input, axis };
  }
  return null;
}

/** A scalar or a vector of one element, as `index` is. */
function sizeFrom(source: Source, index: Value, patch: Patch): Value {
  const isScalar = index.type?.shape?.length === 0;
  const whole = (n: number) => (isScalar ? patch.scalar("int64", n) : patch.ints([n]));
  if (typeof source === "number") return whole(source);
  const { input, axis } = source;
  const int64 = (shape: readonly number[]) => [{ dtype: "int64", shape }] as const;
  const shape = patch.one("Shape", [input], { types: int64([input.type!.shape!.length]) });
  return patch.one("Gather", [shape, whole(axis)], {
    attributes: { axis: 0 },
    types: int64(isScalar ? [] : [1]),
  });
}
