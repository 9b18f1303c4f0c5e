/**
 * The graph as the search reads it: operations and wires with data dependence made explicit.
 * Fused operators appear as the plain ones they stand for (`fused.ts`), calls of the model's own
 * functions as their bodies; weights and what is computed from them alone are constant, and a Shape
 * ends the data path: only sizes flow on from there.
 */
import { calleeOf, callsAreFinite } from "../ir/calls.ts";
import type { Graph, Model, Node, Value } from "../ir/graph.ts";
import { inOrder } from "../ir/order.ts";
import { random } from "../onnx-ops/random.ts";
import { expansions } from "./fused.ts";

export interface Wire {
  readonly id: number;
  /** null inside of a fused operator or a function, where the main graph has no name for it. */
  readonly value: Value | null;
  readonly from: Op | null;
  /** Who reads it, each once, in order. */
  readonly uses: Op[];
  readonly constant: boolean;
}

export interface Op {
  /** Its place in a topological order. */
  readonly id: number;
  /** The node that has its attributes; in a function's body where it comes from one. */
  readonly node: Node;
  /** The node of the main graph that it is, or is a part of. */
  readonly place: Node;
  /** Of the operator, without the domain where that is ai.onnx or com.microsoft. */
  readonly type: string;
  readonly inputs: readonly (Wire | null)[];
  readonly outputs: readonly (Wire | null)[];
  /** Inputs whose elements reach the outputs, captures of subgraphs included, each once. */
  readonly data: readonly Wire[];
  /** How late it may run: an operation is below everything that depends on its data. */
  level: number;
}

export interface Flow {
  readonly graph: Graph;
  readonly ops: readonly Op[];
  /** What stands for a node: one operation, or those that it consists of. */
  opsOf(node: Node): readonly Op[];
}

/** Adds operations to a flow; what expansions are written against. */
export interface FlowBuilder {
  readonly node: Node;
  /** The wires of the node's inputs. */
  input(index: number): Wire | null;
  /** The node's output, where it is a value of the main graph. */
  output(index: number): Value | null;
  readonly outputs: readonly (Value | null)[];
  /** An operation; an output that is no value of the model is given as null and still returned. */
  op(
    type: string,
    inputs: readonly (Wire | null)[],
    outputs: readonly (Value | null | undefined)[],
  ): Wire[];
}

/** Where a node stands: the main graph, or one call of a function. */
interface Site {
  readonly wires: Map<Value, Wire>;
  /** The node of the main graph that stands for all inside; null in the main graph itself. */
  readonly call: Node | null;
  /** Values of the main graph that the body's outputs are. */
  readonly results: ReadonlyMap<Value, Value | null>;
  readonly depth: number;
}

/** What reads of a value no more than its shape. */
export const sizesOnly: ReadonlySet<string> = new Set(["Shape", "Size"]);
const deepest = 16;

export function buildFlow(model: Pick<Model, "graph" | "functions">): Flow {
  const { graph, functions } = model;
  const finite = callsAreFinite(model);
  const ops: Op[] = [];
  const byNode = new Map<Node, Op[]>();
  let wires = 0;

  const newWire = (value: Value | null, from: Op | null, constant: boolean): Wire => {
    return { id: wires++, value, from, uses: [], constant };
  };
  const wireOf = (value: Value, site: Site): Wire => {
    const known = site.wires.get(value);
    if (known) return known;
    const named = site.call ? null : value;
    const wire = newWire(named, null, value.initializer !== null);
    site.wires.set(value, wire);
    return wire;
  };

  const addOp = (
    node: Node,
    site: Site,
    type: string,
    inputs: readonly (Wire | null)[],
    values: readonly (Value | null | undefined)[],
  ): Wire[] => {
    const read = new Set<Wire>();
    for (const wire of inputs) if (wire) read.add(wire);
    if (node.subgraphs.length > 0) {
      for (const value of capturesOf(node)) read.add(wireOf(value, site));
    }
    const constant = !random.has(type) && [...read].every((wire) => wire.constant);
    const data = constant || sizesOnly.has(type) ? [] : [...read].filter((wire) => !wire.constant);
    const outputs: (Wire | null)[] = [];
    const place = site.call ?? node;
    const op: Op = { id: ops.length, node, place, type, inputs, outputs, data, level: 0 };
    for (const wire of read) wire.uses.push(op);
    const made = values.map((value) => newWire(value ?? null, op, constant));
    outputs.push(...made);
    ops.push(op);
    const known = byNode.get(place);
    if (known) known.push(op);
    else byNode.set(place, [op]);
    return made;
  };

  const addNode = (node: Node, site: Site): void => {
    const named = node.outputs.map((value) =>
      value && site.call ? (site.results.get(value) ?? null) : value,
    );
    const define = (made: Wire) => {
      const at = named.indexOf(made.value);
      const value = made.value && at >= 0 ? node.outputs[at] : null;
      if (value) site.wires.set(value, made);
    };
    const builder: FlowBuilder = {
      node,
      input: (index) => {
        const value = node.inputs[index];
        return value ? wireOf(value, site) : null;
      },
      output: (index) => named[index] ?? null,
      outputs: named,
      op: (type, inputs, outputs) => {
        const made = addOp(node, site, type, inputs, outputs);
        for (const wire of made) define(wire);
        return made;
      },
    };
    const body = finite ? calleeOf(node, functions) : undefined;
    if (body && site.depth < deepest) {
      addBody(body, node, site, named);
      return;
    }
    if (!site.call && expansions[node.op]?.(builder)) return;
    const inputs = node.inputs.map((value) => value && wireOf(value, site));
    // The second input of a CastLike gives a type and no elements.
    if (node.op === "CastLike") inputs.splice(1);
    const made = addOp(node, site, plainType(node), inputs, named);
    node.outputs.forEach((value, i) => {
      if (value) site.wires.set(value, made[i]!);
    });
  };

  const addBody = (
    body: Graph,
    node: Node,
    outer: Site,
    named: readonly (Value | null)[],
  ): void => {
    const inputs = body.inputs.flatMap((value, i) => {
      const given = node.inputs[i];
      return given ? [[value, wireOf(given, outer)] as const] : [];
    });
    const results = new Map(body.outputs.map((value, i) => [value, named[i] ?? null] as const));
    const call = outer.call ?? node;
    const site: Site = { wires: new Map(inputs), call, results, depth: outer.depth + 1 };
    for (const inner of body.nodes) addNode(inner, site);
    node.outputs.forEach((value, i) => {
      const result = body.outputs[i];
      if (!value || !result) return;
      const made = wireOf(result, site);
      // A result that is an input handed through is a value of its own outside.
      const own = made.value === (named[i] ?? null) && made.from !== null;
      outer.wires.set(value, own ? made : addOp(node, outer, "Identity", [made], [named[i]])[0]!);
    });
  };

  const main: Site = { wires: new Map(), call: null, results: new Map(), depth: 0 };
  for (const input of graph.inputs) wireOf(input, main);
  for (const node of inOrder(graph)) addNode(node, main);
  setLevels(ops);
  return { graph, ops, opsOf: (node) => byNode.get(node) ?? [] };
}

/** Operators that mean the same in both domains, or under an older name, have one type here. */
const aliases: Readonly<Record<string, string>> = {
  SimplifiedLayerNormalization: "RMSNormalization",
  TransposeMatMul: "FusedMatMul",
  Sum: "Add",
  CastLike: "Cast",
};

function plainType(node: Node): string {
  if (node.domain !== "" && node.domain !== "com.microsoft") return node.op;
  return aliases[node.opType] ?? node.opType;
}

/** What the bodies of a node's subgraphs read of the graph around it. */
function capturesOf(node: Node, found: Set<Value> = new Set(), outer = node.graph): Set<Value> {
  for (const body of node.subgraphs) {
    for (const inner of body.nodes) {
      for (const value of inner.inputs) {
        if (value && outer?.values.get(value.name) === value) found.add(value);
      }
      capturesOf(inner, found, outer);
    }
    for (const value of body.outputs) {
      if (outer?.values.get(value.name) === value) found.add(value);
    }
  }
  return found;
}

/** level(op) = min over data readers of level(reader) - 1; what nobody reads is at 0. */
function setLevels(ops: readonly Op[]): void {
  for (let i = ops.length - 1; i >= 0; i--) {
    const op = ops[i]!;
    let level = 0;
    for (const wire of op.outputs) {
      for (const reader of wire?.uses ?? []) {
        if (reader.data.includes(wire!)) level = Math.min(level, reader.level - 1);
      }
    }
    op.level = level;
  }
}

/** The level of what makes a wire; inputs of the graph are below everything. */
export function levelOf(wire: Wire): number {
  return wire.from ? wire.from.level : Number.NEGATIVE_INFINITY;
}
