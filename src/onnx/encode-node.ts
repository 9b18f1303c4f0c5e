/** Node and Attribute -> NodeProto and AttributeProto: as they were, or with what changed. */
import type { Attribute, AttributeValue, Graph, Initializer, Node, Value } from "../ir/graph.ts";
import type { TensorType } from "../ir/types.ts";
import { carry } from "./carried.ts";
import { encodeTensor, type Home } from "./encode-tensor.ts";
import { type NamedTensor, originOf } from "./origin.ts";
import { attributeTypes, plainDomain } from "./read-node.ts";
import { Rope } from "./rope.ts";
import { numbersOf } from "./schema.ts";
import { Edits, type Element, type Encoded } from "./splice.ts";

export interface Encoder {
  /** Where a tensor's bytes go. */
  home(tensor: Initializer): Home;
  /** Tensors inside of what is carried unread whose encoding may change. */
  readonly carried: readonly NamedTensor[];
  body(graph: Graph): Encoded;
  /** Of inputs of the main graph, where not their own. */
  readonly inputs?: PortTypes | undefined;
  readonly known?: Known | undefined;
  /** Whether what is edited in a node's metadata is left out. */
  readonly terse?: boolean | undefined;
}

/** What had become of parts of the graph when it was encoded before: they are not made anew. */
export interface Known {
  readonly nodes: Map<Node, Encoded>;
  /** Valid for as long as their bytes go to the same home. */
  readonly weights: Map<Value, { readonly home: Home; readonly encoded: Encoded }>;
}

export type PortTypes = ReadonlyMap<Value, TensorType>;

const node = numbersOf("NodeProto");
const proto = numbersOf("AttributeProto");

export function encodeNode(subject: Node, encoder: Encoder): Encoded {
  const known = encoder.known?.nodes.get(subject);
  if (known) return known;
  const encoded = encodeAnew(subject, encoder);
  if (isHomeless(subject)) encoder.known?.nodes.set(subject, encoded);
  return encoded;
}

/** Whether its encoding does not depend on where tensors go. */
function isHomeless({ attributes }: Node): boolean {
  for (const { value } of attributes.values()) {
    if (value.type === "opaque" || value.type in nestedFields) return false;
  }
  return true;
}

function encodeAnew(subject: Node, encoder: Encoder): Encoded {
  const origin = originOf.node(subject);
  const edits = new Edits(origin);
  edits.names(node.input, origin.inputs, subject.inputs);
  edits.names(node.output, origin.outputs, subject.outputs);
  edits.text(node.name, origin.name, subject.name);
  edits.text(node.op_type, origin.opType, subject.opType);
  if (plainDomain(origin.domain) !== subject.domain) {
    edits.text(node.domain, origin.domain, subject.domain);
  }
  if (!encoder.terse) {
    edits.properties(node.metadata_props, origin.metadata, subject.metadata);
  }
  if (!keepsAttributes(subject)) {
    edits.messages(node.attribute, origin.attributes.length, attributesOf(subject, encoder));
  }
  return edits.apply();
}

/** Whether its attributes are those that the file gave it, and do not depend on where tensors go. */
function keepsAttributes(subject: Node): boolean {
  const { attributes } = originOf.node(subject);
  const stays = (attribute: Attribute) => subject.attributes.get(attribute.name) === attribute;
  return (
    attributes.length === subject.attributes.size && isHomeless(subject) && attributes.every(stays)
  );
}

function attributesOf(subject: Node, encoder: Encoder): Element[] {
  const slots = originOf.node(subject).attributes;
  const elements = slots.flatMap((attribute, slot) => {
    const now = subject.attributes.get(attribute.name);
    // Of an attribute that is given twice the map has the last one; the others stay as they are.
    const twin = now && slots.includes(now) ? attribute : now;
    return twin ? [{ slot, content: encodeAttribute(twin, encoder) }] : [];
  });
  for (const [name, attribute] of subject.attributes) {
    if (!slots.some((known) => known.name === name)) {
      elements.push({ slot: -1, content: encodeAttribute(attribute, encoder) });
    }
  }
  return elements;
}

export function encodeAttribute(attribute: Attribute, encoder: Encoder): Encoded {
  const origin = originOf.attribute(attribute);
  const edits = new Edits(origin);
  edits.text(proto.name, origin.name, attribute.name);
  const { value } = attribute;
  if (value !== origin.value) {
    for (const number of valueFields) edits.set(number);
    setValue(edits, value, encoder);
  } else if (value.type === "opaque") {
    return carry("AttributeProto", origin, encoder);
  } else if (value.type in nestedFields) {
    const nested = value as Nested;
    const contents = encoded(nested, encoder);
    edits.messages(
      nestedFields[nested.type],
      contents.length,
      contents.map((content, slot) => ({ slot, content })),
    );
  }
  return edits.apply();
}

type Nested = Extract<AttributeValue, { type: "tensor" | "tensors" | "graph" | "graphs" }>;

function encoded(value: Nested, encoder: Encoder): Encoded[] {
  if (value.type === "graph") return [encoder.body(value.value)];
  if (value.type === "graphs") return value.value.map((graph) => encoder.body(graph));
  const tensors = value.type === "tensor" ? [value.value] : value.value;
  return tensors.map((tensor) => encodeTensor(tensor, tensor.name, encoder.home(tensor)));
}

const nestedFields = {
  tensor: proto.t,
  tensors: proto.tensors,
  graph: proto.g,
  graphs: proto.graphs,
} as const;

const valueFields = [
  ...[proto.f, proto.i, proto.s, proto.t, proto.g, proto.tp, proto.sparse_tensor],
  ...[proto.floats, proto.ints, proto.strings, proto.tensors, proto.graphs],
  ...[proto.type_protos, proto.sparse_tensors, proto.ref_attr_name],
];

function setValue(edits: Edits, value: AttributeValue, encoder: Encoder): void {
  const set = <T>(number: number, items: readonly T[], field: (item: T) => Rope) =>
    edits.set(number, ...items.map(field));
  switch (value.type) {
    case "float":
      edits.set(proto.f, new Rope().float(proto.f, value.value));
      break;
    case "int":
      edits.set(proto.i, new Rope().int(proto.i, value.value));
      break;
    case "string":
      edits.set(proto.s, new Rope().bytes(proto.s, value.value));
      break;
    case "floats":
      set(proto.floats, value.value, (item) => new Rope().float(proto.floats, item));
      break;
    case "ints":
      set(proto.ints, value.value, (item) => new Rope().int(proto.ints, item));
      break;
    case "strings":
      set(proto.strings, value.value, (item) => new Rope().bytes(proto.strings, item));
      break;
    case "reference":
    case "opaque":
      throw new Error("an attribute that is not understood cannot be made anew");
    default: {
      const number = nestedFields[value.type];
      set(number, encoded(value, encoder), (content) => new Rope().encoded(number, content));
    }
  }
  edits.set(proto.type, new Rope().int(proto.type, attributeTypes[value.type]));
}
