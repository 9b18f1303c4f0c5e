/**
 * The graph as objects: values know their producer and their uses, nodes know their graph.
 * Reading is free for everybody; only Patch (src/onnx-ops/patch.ts) calls the mutators, which are
 * exported from `edit.ts` and not from here.
 *
 * A value is one object wherever it is used: a node inside a subgraph that captures an outer value
 * holds the outer graph's Value, so `uses` sees through If, Loop and Scan bodies.
 */
import type { Bytes } from "./bytes.ts";
import type { DType, TensorType } from "./types.ts";

/**
 * What the codec keeps of the encoded form of an object, so that whatever was not edited is written
 * as it was read, unknown fields included. Opaque outside src/onnx.
 */
export type Origin = object;

export interface Use {
  readonly node: Node;
  /** Position in `node.inputs`. */
  readonly index: number;
}

export class Value {
  name: string;
  type: TensorType | null;
  /** The node and output position that make it; null for inputs and initializers. */
  producer: Node | null = null;
  producerIndex = 0;
  readonly uses = new Set<Use>();
  initializer: Initializer | null = null;
  /** Its ValueInfoProto (graph input, output or value_info), where the file had one. */
  origin: Origin | null = null;
  /**
   * True where the file itself declared the type; inferred types are not written back. Set to false, the
   * declaration is withdrawn: its names of sizes have become wrong.
   */
  declared = false;

  constructor(name: string, type: TensorType | null = null) {
    this.name = name;
    this.type = type;
  }
}

export interface Initializer {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Little-endian raw_data; elements in row-major order. Typed data fields are converted lazily. */
  readonly data: Bytes;
  readonly origin: Origin | null;
  readonly metadata: ReadonlyMap<string, string>;
}

export type AttributeValue =
  | { readonly type: "float"; readonly value: number }
  | { readonly type: "int"; readonly value: bigint }
  | { readonly type: "string"; readonly value: Uint8Array }
  | { readonly type: "tensor"; readonly value: Initializer & { readonly name: string } }
  | { readonly type: "graph"; readonly value: Graph }
  | { readonly type: "floats"; readonly value: readonly number[] }
  | { readonly type: "ints"; readonly value: readonly bigint[] }
  | { readonly type: "strings"; readonly value: readonly Uint8Array[] }
  | {
      readonly type: "tensors";
      readonly value: readonly (Initializer & { readonly name: string })[];
    }
  | { readonly type: "graphs"; readonly value: readonly Graph[] }
  /** In the body of a function: what its call gives under this name. */
  | { readonly type: "reference"; readonly name: string }
  /** Sparse tensors, type protos: kept, not understood. */
  | { readonly type: "opaque" };

export interface Attribute {
  readonly name: string;
  readonly value: AttributeValue;
  readonly origin: Origin | null;
}

/** metadata_props, texts by key. Those of a file may be read no earlier than they are asked for. */
export interface Properties extends Iterable<readonly [key: string, text: string]> {
  get(key: string): string | undefined;
}

export const noProperties: Properties = new Map();
const noGraphs: readonly Graph[] = [];

export class Node {
  name: string;
  readonly opType: string;
  /** "" for ai.onnx, also where the file spells it out. */
  readonly domain: string;
  /** null: an optional input that was left out. */
  inputs: (Value | null)[] = [];
  /** null: an optional output that was left out. */
  outputs: (Value | null)[] = [];
  readonly attributes: Map<string, Attribute>;
  metadata: Properties;
  graph: Graph | null = null;
  readonly origin: Origin | null;
  /** The graphs of its attributes; null where those changed, or nobody asked yet. */
  bodies: readonly Graph[] | null = null;

  constructor(init: {
    name: string;
    opType: string;
    domain?: string;
    attributes?: Map<string, Attribute>;
    metadata?: Properties;
    origin?: Origin | null;
  }) {
    this.name = init.name;
    this.opType = init.opType;
    this.domain = init.domain ?? "";
    this.attributes = init.attributes ?? new Map();
    this.metadata = init.metadata ?? noProperties;
    this.origin = init.origin ?? null;
  }

  /** `MatMul`, or `com.microsoft::FastGelu`. */
  get op(): string {
    return this.domain === "" ? this.opType : `${this.domain}::${this.opType}`;
  }

  int(name: string): number | undefined {
    const value = this.attributes.get(name)?.value;
    return value?.type === "int" ? Number(value.value) : undefined;
  }

  ints(name: string): number[] | undefined {
    const value = this.attributes.get(name)?.value;
    return value?.type === "ints" ? value.value.map(Number) : undefined;
  }

  float(name: string): number | undefined {
    const value = this.attributes.get(name)?.value;
    return value?.type === "float" ? value.value : undefined;
  }

  string(name: string): string | undefined {
    const value = this.attributes.get(name)?.value;
    return value?.type === "string" ? new TextDecoder().decode(value.value) : undefined;
  }

  /** The graphs of its attributes: bodies of If, Loop, Scan. */
  get subgraphs(): readonly Graph[] {
    this.bodies ??= this.attributes.size === 0 ? noGraphs : bodiesIn(this.attributes);
    return this.bodies;
  }
}

function bodiesIn(attributes: ReadonlyMap<string, Attribute>): readonly Graph[] {
  let graphs = noGraphs;
  attributes.forEach(({ value }) => {
    if (value.type === "graph") graphs = [...graphs, value.value];
    else if (value.type === "graphs") graphs = [...graphs, ...value.value];
  });
  return graphs;
}

export class Graph {
  name: string;
  /** In the order of the file; Patch keeps it topological. */
  nodes: Node[] = [];
  inputs: Value[] = [];
  outputs: Value[] = [];
  /** Every value that this graph defines, by name: inputs, initializers, node outputs. */
  readonly values = new Map<string, Value>();
  /** In the order of the file; also in `values`. */
  readonly initializers = new Set<Value>();
  /** The node whose attribute this graph is; null for the main graph. */
  owner: Node | null = null;
  readonly origin: Origin | null;

  constructor(name: string, origin: Origin | null = null) {
    this.name = name;
    this.origin = origin;
  }
}

/** Whether no node reads a value, nor does the graph hand it on. */
export function isUnread(value: Value, graph: Graph | null): boolean {
  return value.uses.size === 0 && !graph?.outputs.includes(value);
}

/** The body of a function of the model; its values are its own. */
export class FunctionBody extends Graph {
  /** Versions by domain, as it imports them itself. */
  readonly opsets: ReadonlyMap<string, number>;
  /** Attributes that its calls may give, with their defaults; null: none. */
  readonly attributes: ReadonlyMap<string, Attribute | null>;

  constructor(
    name: string,
    origin: Origin | null,
    opsets: ReadonlyMap<string, number>,
    attributes: ReadonlyMap<string, Attribute | null>,
  ) {
    super(name, origin);
    this.opsets = opsets;
    this.attributes = attributes;
  }
}

export interface Model {
  readonly irVersion: number;
  /** Versions by domain; "" is ai.onnx. */
  readonly opsets: Map<string, number>;
  readonly producer: { readonly name: string; readonly version: string };
  readonly graph: Graph;
  /** Those of its own, by `domain::name`. */
  readonly functions: Map<string, FunctionBody>;
  /** metadata_props of the model; Patch's provenance adds to it. */
  readonly metadata: Map<string, string>;
  /** As the user gave it; what messages show. */
  readonly path: string;
  readonly origin: Origin | null;
}
