/**
 * What is kept of the encoded form: where it is, and what was read from it. An object is edited
 * where it now says something else than that; nothing is flagged.
 */
import type { Bytes } from "../ir/bytes.ts";
import {
  type Attribute,
  type AttributeValue,
  type Graph,
  type Initializer,
  type Model,
  type Node,
  noProperties,
  type Origin,
  type Properties,
  type Value,
} from "../ir/graph.ts";
import type { DType, TensorType } from "../ir/types.ts";
import type { DataFile, ExternalEntries } from "./external-data.ts";
import { type Slice, Source } from "./source.ts";

export type NamedTensor = Initializer & { readonly name: string };

/** A TensorProto. */
export interface TensorOrigin extends Slice {
  readonly name: string;
  readonly dtype: DType | null;
  readonly shape: readonly number[];
  readonly data: Bytes | null;
  readonly metadata: ReadonlyMap<string, string>;
  /** Its external_data entries; null where the data is inline. */
  readonly external: ExternalEntries | null;
}

export interface AttributeOrigin extends Slice {
  readonly name: string;
  readonly value: AttributeValue;
}

export interface NodeOrigin extends Slice {
  readonly name: string;
  readonly opType: string;
  /** As written, "ai.onnx" included. */
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** One for each AttributeProto. */
  readonly attributes: readonly Attribute[];
  readonly metadata: Properties;
}

/** A message of a graph that is about a value: a ValueInfoProto, an annotation, a sparse tensor. */
export interface Entry extends Slice {
  readonly name: string;
  /** The type it declares. */
  readonly type: TensorType | null;
  /** Null where the graph has no such value; known when the graph is linked. */
  value: Value | null;
}

/** A GraphProto or FunctionProto; the lists have one item for each encoded one. */
export interface GraphOrigin extends Slice {
  readonly message: "GraphProto" | "FunctionProto";
  readonly name: string;
  readonly nodes: readonly Node[];
  readonly initializers: readonly Value[];
  /** Inputs and outputs of functions are names alone. */
  readonly inputs: readonly Entry[];
  readonly outputs: readonly Entry[];
  readonly valueInfos: readonly Entry[];
  readonly annotations: readonly Entry[];
  readonly sparse: readonly Entry[];
}

export interface ModelOrigin extends Slice {
  readonly head: ModelHead;
  /** Domain as written and version of each opset_import. */
  readonly opsets: readonly (readonly [domain: string, version: number])[];
  readonly metadata: Properties;
  readonly trainingInfo: readonly Slice[];
  /** Bodies of functions. */
  readonly functions: readonly Graph[];
  readonly dataFiles: readonly DataFile[];
  /** Every tensor whose data is in a data file. */
  readonly external: readonly Initializer[];
  /** Those of them inside of what is carried unread: sparse tensors, training_info. */
  readonly carried: readonly NamedTensor[];
}
type ModelHead = Pick<Model, "irVersion" | "producer">;

const none = Source.hold("", new Uint8Array(0)).slice;

/** New objects are edits of empty ones. */
const newNode: NodeOrigin = {
  ...none,
  name: "",
  opType: "",
  domain: "",
  inputs: [],
  outputs: [],
  attributes: [],
  metadata: noProperties,
};
const newAttribute: AttributeOrigin = { ...none, name: "", value: { type: "opaque" } };
const newTensor: TensorOrigin = {
  ...none,
  name: "",
  dtype: null,
  shape: [],
  data: null,
  metadata: new Map(),
  external: null,
};
const newGraph: GraphOrigin = {
  ...none,
  message: "GraphProto",
  name: "",
  nodes: [],
  initializers: [],
  inputs: [],
  outputs: [],
  valueInfos: [],
  annotations: [],
  sparse: [],
};
const newFunction: GraphOrigin = { ...newGraph, message: "FunctionProto" };
const newModel: ModelOrigin = {
  ...none,
  head: { irVersion: 0, producer: { name: "", version: "" } },
  opsets: [],
  metadata: noProperties,
  trainingInfo: [],
  functions: [],
  dataFiles: [],
  external: [],
  carried: [],
};

interface Originated {
  readonly origin: Origin | null;
}
export const originOf = {
  node: ({ origin }: Originated) => (origin as NodeOrigin | null) ?? newNode,
  attribute: ({ origin }: Originated) => (origin as AttributeOrigin | null) ?? newAttribute,
  tensor: ({ origin }: Originated) => (origin as TensorOrigin | null) ?? newTensor,
  graph: ({ origin }: Originated) => (origin as GraphOrigin | null) ?? newGraph,
  function: ({ origin }: Originated) => (origin as GraphOrigin | null) ?? newFunction,
  /** Of a value: what the file says of it, the last time where it says more than once. */
  info: ({ origin }: Originated) => origin as Entry | null,
  model: ({ origin }: Originated) => (origin as ModelOrigin | null) ?? newModel,
};
