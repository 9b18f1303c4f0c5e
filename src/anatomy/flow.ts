/**
 * The graph as the search reads it: operations and wires with data dependence made explicit.
 * Fused operators appear as the plain ones they stand for (`fused.ts`), weights and what is computed
 * from them alone are constant, and a Shape ends the data path: only sizes flow on from there.
 */
import type { Graph, Node, Value } from "../ir/graph.ts";
import { expansions } from "./fused.ts";

export interface Wire {
  readonly id: number;
  /** null inside of a fused operator, where the model has no name for it. */
  readonly value: Value | null;
  readonly from: Op | null;
  /** Who reads it, each once, in order. */
  readonly uses: Op[];
  readonly constant: boolean;
}

export interface Op {
  /** Its place in a topological order. */
  readonly id: number;
  readonly node: Node;
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
  /** The wire of a value of the graph. */
  wire(value: Value): Wire;
  /** What stands for a node: one operation, or those that a fused operator consists of. */
  opsOf(node: Node): readonly Op[];
}

/** Adds operations to a flow; what expansions are written against. */
export interface FlowBuilder {
  readonly node: Node;
  /** The wires of the node's inputs. */
  input(index: number): Wire | null;
  /** An operation; an output that is no value of the model is given as null and still returned. */
  op(
    type: string,
    inputs: readonly (Wire | null)[],
    outputs: readonly (Value | null | undefined)[],
  ): Wire[];
}

const sizesOnly = new Set(["Shape", "Size"]);
const random = /^(Random|Bernoulli|Multinomial)/;

export function buildFlow(graph: Graph): Flow {
  const ops: Op[] = [];
  const byValue = new Map<Value, Wire>();
  const byNode = new Map<Node, Op[]>();
  let wires = 0;

  const newWire = (value: Value | null, from: Op | null, constant: boolean): Wire => {
    const wire: Wire = { id: wires++, value, from, uses: [], constant };
    if (value) byValue.set(value, wire);
    return wire;
  };
  const wireOf = (value: Value): Wire =>
    byValue.get(value) ?? newWire(value, null, value.initializer !== null);

  const addOp = (
    node: Node,
    type: string,
    inputs: readonly (Wire | null)[],
    values: readonly (Value | null | undefined)[],
  ): Wire[] => {
    const read = new Set<Wire>();
    for (const wire of inputs) if (wire) read.add(wire);
    for (const value of capturesOf(node)) read.add(wireOf(value));
    const constant = !random.test(type) && [...read].every((wire) => wire.constant);
    const data = constant || sizesOnly.has(type) ? [] : [...read].filter((wire) => !wire.constant);
    const outputs: (Wire | null)[] = [];
    const op: Op = { id: ops.length, node, type, inputs, outputs, data, level: 0 };
    for (const wire of read) wire.uses.push(op);
    const made = values.map((value) => newWire(value ?? null, op, constant));
    outputs.push(...made);
    ops.push(op);
    const known = byNode.get(node);
    if (known) known.push(op);
    else byNode.set(node, [op]);
    return made;
  };

  for (const input of graph.inputs) wireOf(input);
  for (const node of graph.nodes) {
    const builder: FlowBuilder = {
      node,
      input: (index) => {
        const value = node.inputs[index];
        return value ? wireOf(value) : null;
      },
      op: (type, inputs, outputs) => addOp(node, type, inputs, outputs),
    };
    if (expansions[node.op]?.(builder)) continue;
    const inputs = node.inputs.map((value) => value && wireOf(value));
    addOp(node, plainType(node), inputs, node.outputs);
  }
  setLevels(ops);
  return { graph, ops, wire: wireOf, opsOf: (node) => byNode.get(node) ?? [] };
}

/** Operators that mean the same in both domains, or under an older name, have one type here. */
const aliases: Readonly<Record<string, string>> = {
  SimplifiedLayerNormalization: "RMSNormalization",
  TransposeMatMul: "FusedMatMul",
  Sum: "Add",
};

function plainType(node: Node): string {
  if (node.domain !== "" && node.domain !== "com.microsoft") return node.op;
  return aliases[node.opType] ?? node.opType;
}

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
