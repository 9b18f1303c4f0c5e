/** Nodes that ONNX Runtime has no idea of. */
import { calleeOf } from "../../src/ir/calls.ts";
import type { Graph, Model, Node } from "../../src/ir/graph.ts";
import { fitsOrt, ownerIn } from "./scene.ts";

const domains = new Set(["", "ai.onnx", "ai.onnx.ml", "com.microsoft"]);

/** Nodes that cannot be part of a probe, as far as the model alone tells. */
export function unknownNodes(model: Model, graph: Graph): Set<Node> {
  const unknown = (node: Node): boolean => {
    const known = domains.has(node.domain) || calleeOf(node, model.functions) !== undefined;
    const values = [...node.inputs, ...node.outputs];
    return (
      !known ||
      values.some((value) => value?.type && !fitsOrt(value.type)) ||
      node.subgraphs.some((body) => body.nodes.some(unknown) || [...body.initializers].some(far))
    );
  };
  return new Set(graph.nodes.filter(unknown));
}

/** Data of a body's weight that is in a file: a model in memory has none beside it. */
function far({ initializer }: Graph["initializers"] extends Set<infer V> ? V : never): boolean {
  return initializer?.data.kind === "file" && initializer.data.length > 1 << 20;
}

/**
 * The nodes that a refusal is about, where it says that an operator, or its kernel for these types,
 * does not exist; none where it says anything else.
 */
export function offenders(
  refusal: string,
  graph: Graph,
  leftOut: ReadonlySet<Node>,
): readonly Node[] {
  const unregistered =
    /(?:^|\s)(?<domain>\S*):(?<op>\w+)\(-?\d+\) is not a registered/.exec(refusal) ??
    /No Op registered for (?<op>\w+) with/.exec(refusal) ??
    /Node, \("[^"]*", (?<op>\w+), .*No opset import for domain '(?<domain>[^']*)'/.exec(refusal);
  if (unregistered) {
    const { op, domain } = unregistered.groups as { op: string; domain?: string };
    return hosts(graph, (node) => {
      return node.opType === op && (domain === undefined || node.domain === domain);
    });
  }
  const kernel = /implementation for (?<op>\w+)\(\d+\) node with name '(?<name>.*)'/.exec(refusal);
  if (!kernel) return [];
  const { op, name } = kernel.groups as { op: string; name: string };
  const named = hosts(graph, (node) => node.opType === op && node.name === name);
  const again = [...leftOut].some((node) => node.opType === op);
  return again || name === "" ? hosts(graph, (node) => node.opType === op) : named;
}

/** The nodes of `graph` that fit, or have one in their bodies that does. */
function hosts(graph: Graph, fits: (node: Node) => boolean): Node[] {
  const found = new Set<Node>();
  const visit = (nodes: readonly Node[]) => {
    for (const node of nodes) {
      const host = fits(node) ? ownerIn(graph, node) : null;
      if (host) found.add(host);
      for (const body of node.subgraphs) visit(body.nodes);
    }
  };
  visit(graph.nodes);
  return [...found];
}
