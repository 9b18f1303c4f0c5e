/** Calls of a model's own functions become the nodes that they stand for. */
import { calleeOf, callsAreFinite, type Functions } from "../src/ir/calls.ts";
import type { Attribute, FunctionBody, Model, Node, Value } from "../src/ir/graph.ts";
import { sortTopologically } from "../src/ir/order.ts";
import { Patch } from "../src/onnx-ops/patch.ts";

/** What blocks are made of; a function without any of it is an activation or a norm. */
const products = new Set(["MatMul", "Gemm", "Conv", "Einsum", "Attention"]);

/** `blocks`: only where a function multiplies matrices, so that parts of blocks are inside of it. */
export type Inline = "blocks" | "all";

/**
 * Inlines every call of the main graph that can be. Functions that nobody calls any more go. Calls
 * in the bodies of If and Loop stay.
 * @returns how many calls were inlined.
 */
export function inlineCalls(model: Model, inline: Inline): number {
  const { graph, functions } = model;
  const bodies = graph.nodes.flatMap((node) => calleeOf(node, functions) ?? []);
  const wanted = inline === "all" || bodies.some((body) => multiplies(body, functions));
  if (bodies.length === 0 || !wanted || !callsAreFinite(model)) return 0;
  // What a call hands to the next one is then known when that is inlined.
  sortTopologically(graph);
  let count = 0;
  for (let calls = inlinable(model); calls.length > 0; calls = inlinable(model)) {
    const patch = new Patch(graph, null, "");
    const results = new Map<Value, Value>();
    for (const [call, body] of calls) {
      grow(call, body, patch, results);
      for (const [domain, version] of body.opsets) {
        if (!model.opsets.has(domain)) model.opsets.set(domain, version);
      }
    }
    patch.prune(0, [...results.values()]);
    for (const [from, to] of results) patch.shunt(from, to);
    patch.commit();
    count += calls.length;
  }
  if (count > 0) dropUncalled(model);
  return count;
}

function multiplies(body: FunctionBody, functions: Functions, seen = new Set<FunctionBody>()) {
  if (seen.has(body)) return false;
  seen.add(body);
  return body.nodes.some((node): boolean => {
    const inner = calleeOf(node, functions);
    if (inner) return multiplies(inner, functions, seen);
    return products.has(node.opType) || node.domain === "com.microsoft";
  });
}

function inlinable(model: Model): (readonly [Node, FunctionBody])[] {
  return model.graph.nodes.flatMap((node) => {
    const body = calleeOf(node, model.functions);
    return body && fits(node, body, model) ? [[node, body] as const] : [];
  });
}

/** Whether the body means the same in the main graph: its operators, and all that it reads. */
function fits(call: Node, body: FunctionBody, { opsets, functions }: Model): boolean {
  const given = new Set(body.inputs.filter((_, i) => call.inputs[i]));
  return body.nodes.every((node) => {
    const version = opsets.get(node.domain);
    const isLocal = version === undefined || calleeOf(node, functions) !== undefined;
    const sameVersion = isLocal || version === body.opsets.get(node.domain);
    const isRead = node.inputs.every((value) => !value || value.producer || given.has(value));
    return sameVersion && isRead && node.subgraphs.length === 0;
  });
}

/** @param results gets what stands for each output of the call. */
function grow(call: Node, body: FunctionBody, patch: Patch, results: Map<Value, Value>): void {
  const map = new Map<Value, Value>();
  body.inputs.forEach((input, i) => {
    const value = call.inputs[i];
    if (value) map.set(input, results.get(value) ?? value);
  });
  patch.clone(body.nodes, map, {
    nameOf: ({ name, opType }) => name || opType,
    attributesOf: (node) => resolved(node, call, body),
  });
  call.outputs.forEach((output, i) => {
    const result = map.get(body.outputs[i]!);
    if (output && result) results.set(output, result);
  });
}

/** The attributes of a node of the body as this call has them; without a value, they are left out. */
function resolved({ attributes }: Node, call: Node, body: FunctionBody): Map<string, Attribute> {
  const entries = [...attributes.values()].flatMap((attribute): Attribute[] => {
    const { name, value } = attribute;
    if (value.type !== "reference") return [attribute];
    const given = call.attributes.get(value.name) ?? body.attributes.get(value.name);
    return given ? [{ name, value: given.value, origin: null }] : [];
  });
  return new Map(entries.map((attribute) => [attribute.name, attribute]));
}

function dropUncalled({ graph, functions }: Model): void {
  const called = new Set<FunctionBody>();
  const visit = (nodes: readonly Node[]) => {
    for (const node of nodes) {
      const body = calleeOf(node, functions);
      for (const inner of node.subgraphs) visit(inner.nodes);
      if (!body || called.has(body)) continue;
      called.add(body);
      visit(body.nodes);
    }
  };
  visit(graph.nodes);
  for (const [key, body] of functions) if (!called.has(body)) functions.delete(key);
}
