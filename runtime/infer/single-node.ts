/** Models of one node, for what the compiler asks while it places operators. */
import { inMemory, materialize } from "../../src/ir/bytes.ts";
import { Graph, type Initializer, type Model, Node, Value } from "../../src/ir/graph.ts";
import type { NodeSketch } from "../../src/ir/oracle.ts";
import type { DType, TensorType } from "../../src/ir/types.ts";
import { encodeProbe } from "../../src/onnx/index.ts";
import { lightly, ort, reasonOf } from "../session/ort.ts";
import { inferGraph } from "./infer-types.ts";

export type NodeInput = TensorType | Initializer | null;

const irVersion = 8;

/** A model of one node: inputs `i0`, `i1`, ..., outputs `o0`, ... */
export function modelOf(sketch: NodeSketch, inputs: readonly NodeInput[]): Model {
  const graph = new Graph("node");
  const { opType, domain, attributes } = sketch;
  const node = new Node({ name: opType, opType, domain, attributes: new Map(attributes) });
  node.graph = graph;
  node.inputs = inputs.map((input, i) => {
    if (!input) return null;
    const value = new Value(`i${i}`, { dtype: input.dtype, shape: input.shape });
    if ("data" in input) {
      value.initializer = input;
      graph.initializers.add(value);
    } else graph.inputs.push(value);
    graph.values.set(value.name, value);
    value.uses.add({ node, index: i });
    return value;
  });
  node.outputs = Array.from({ length: sketch.outputs }, (_, i) => {
    const value = new Value(`o${i}`);
    value.producer = node;
    value.producerIndex = i;
    graph.values.set(value.name, value);
    return value;
  });
  graph.nodes = [node];
  graph.outputs = node.outputs.filter((value) => value !== null);
  return {
    irVersion,
    opsets: new Map(sketch.opsets),
    producer: { name: "", version: "" },
    graph,
    functions: new Map(),
    metadata: new Map(),
    path: opType,
    origin: null,
  };
}

/** The node as bytes that ONNX Runtime loads; what is known of its inputs is part of it. */
export function encodeNode(sketch: NodeSketch, inputs: readonly NodeInput[]): Uint8Array {
  const model = modelOf(sketch, inputs);
  return encodeProbe(model, {
    inputs: model.graph.inputs.map(({ name, type }) => ({ name, type: type! })),
    outputs: model.graph.outputs.map(({ name }) => name),
    keep: () => true,
  });
}

/** @throws Error in ONNX Runtime's words. */
export async function inferNode(
  sketch: NodeSketch,
  inputs: readonly NodeInput[],
): Promise<TensorType[]> {
  const types = await inferGraph(modelOf(sketch, inputs));
  return Array.from({ length: sketch.outputs }, (_, i) => {
    const type = types.get(`o${i}`);
    if (!type) throw new Error(`it has no operator ${sketch.opType} that takes these`);
    return type;
  });
}

/** @throws Error in ONNX Runtime's words. */
export async function evaluateNode(
  sketch: NodeSketch,
  inputs: readonly (Initializer | null)[],
): Promise<Initializer[]> {
  try {
    const session = await ort().InferenceSession.create(encodeNode(sketch, inputs), lightly);
    const results = await session.run({});
    await session.release();
    return session.outputNames.map((name) => {
      const { type, dims, data } = results[name]!;
      const { buffer, byteOffset, byteLength } = data as Uint8Array;
      const bytes = new Uint8Array(buffer, byteOffset, byteLength);
      return {
        dtype: type as DType,
        shape: [...dims],
        data: inMemory(bytes),
        origin: null,
        metadata: new Map(),
      };
    });
  } catch (cause) {
    throw new Error(reasonOf(cause));
  }
}

/** Equal keys, equal answers. */
export function keyOf(sketch: NodeSketch, inputs: readonly NodeInput[]): string {
  const attributes = [...sketch.attributes.values()].map(({ name, value }) => [name, value]);
  const known = inputs.map((input) =>
    input && "data" in input
      ? [input.dtype, input.shape, Buffer.from(materialize(input.data)).toString("base64")]
      : input,
  );
  return JSON.stringify(
    [sketch.domain, sketch.opType, sketch.outputs, [...sketch.opsets], attributes, known],
    (_key, value) => {
      if (typeof value === "bigint") return `${value}n`;
      return value instanceof Uint8Array ? Buffer.from(value).toString("base64") : value;
    },
  );
}
