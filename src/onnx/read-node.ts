/** NodeProto and AttributeProto -> Node and Attribute. Inputs and outputs are linked later. */
import { type Attribute, type AttributeValue, type Graph, Node } from "../ir/graph.ts";
import { Cursor, wireType } from "./cursor.ts";
import { type Decoded, decode } from "./decode.ts";
import type { AttributeOrigin, NodeOrigin } from "./origin.ts";
import { notePlaces, propertiesAt } from "./properties.ts";
import { readTensor, type TensorReader } from "./read-tensor.ts";
import { numbersOf } from "./schema.ts";
import type { Slice } from "./source.ts";
import { shared } from "./text.ts";
import { trimmed } from "./trimmed.ts";
import type { TypeCache } from "./types.ts";

export interface NodeReader extends TensorReader {
  readonly types: TypeCache;
  /** Reads a body of a node, without linking it. */
  body(slice: Slice): Graph;
  /** What sits in an attribute that is carried unread. */
  carry(message: "SparseTensorProto", slice: Slice): void;
}

const proto = numbersOf("NodeProto");

export function readNode(slice: Slice, reader: NodeReader): Node {
  let name = "";
  let opType = "";
  let domain = "";
  const inputs: string[] = [];
  const outputs: string[] = [];
  const places: number[] = [];
  const list: Attribute[] = [];
  const label = () => name || outputs[0] || opType;
  const field = new Cursor(slice);
  while (field.next()) {
    if (field.wire !== wireType.bytes) continue;
    const { number } = field;
    if (number === proto.input) inputs.push(field.text());
    else if (number === proto.output) outputs.push(field.text());
    else if (number === proto.name) name = field.text();
    else if (number === proto.op_type) opType = shared(field.text());
    else if (number === proto.attribute) list.push(readAttribute(field, label(), reader));
    else if (number === proto.domain) domain = field.text();
    else if (number === proto.metadata_props) notePlaces(field, places);
  }
  const { source, start, from, to } = slice;
  const metadata = propertiesAt(source, places);
  const origin: NodeOrigin = {
    source,
    start,
    from,
    to,
    name,
    opType,
    domain,
    inputs: trimmed(inputs),
    outputs: trimmed(outputs),
    attributes: trimmed(list),
    metadata,
  };
  const attributes = new Map<string, Attribute>();
  for (const attribute of list) attributes.set(attribute.name, attribute);
  return new Node({ name, opType, domain: plainDomain(domain), attributes, metadata, origin });
}

/** "ai.onnx" is the long form of "". */
export function plainDomain(domain: string): string {
  return domain === "ai.onnx" ? "" : domain;
}

/** By domain; of one that is imported twice the last counts, as in ONNX Runtime. */
export function opsetMap(opsets: readonly (readonly [string, number])[]): Map<string, number> {
  return new Map(opsets.map(([domain, version]) => [plainDomain(domain), version]));
}

export function readOpset(slice: Slice): readonly [domain: string, version: number] {
  const { domain = "", version = 0 } = decode("OperatorSetIdProto", slice);
  return [domain, version];
}

/** @param owner what messages call tensors that have no name of their own. */
export function readAttribute(slice: Slice, owner: string, reader: NodeReader): Attribute {
  const plain = plainAttribute(slice);
  const record = plain ?? decode("AttributeProto", slice);
  const { name = "" } = record;
  const value = plain?.value ?? attributeValue(record as Decoded<"AttributeProto">, owner, reader);
  const { source, start, from, to } = slice;
  const origin: AttributeOrigin = { source, start, from, to, name, value };
  return { name: shared(name), value, origin };
}

const attributeProto = numbersOf("AttributeProto");

/** Most attributes are one number of a declared type; null for the others. */
function plainAttribute(slice: Slice): { name: string; value: AttributeValue } | null {
  let name = "";
  let type = 0;
  let f: number | undefined;
  let i: bigint | undefined;
  const field = new Cursor(slice);
  while (field.next()) {
    const { number, wire } = field;
    if (number === attributeProto.name && wire === wireType.bytes) name = field.text();
    else if (number === attributeProto.type && wire === wireType.varint) type = field.int();
    else if (number === attributeProto.i && wire === wireType.varint) i = field.bigint();
    else if (number === attributeProto.f && wire === wireType.fixed32) f = field.float();
    else return null;
  }
  if (type === attributeTypes.int) return { name, value: { type: "int", value: i ?? 0n } };
  if (type === attributeTypes.float) return { name, value: { type: "float", value: f ?? 0 } };
  return null;
}

/** AttributeProto.AttributeType of those that are understood. */
export const attributeTypes = {
  float: 1,
  int: 2,
  string: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  ints: 7,
  strings: 8,
  tensors: 9,
  graphs: 10,
} as const;

const kinds = Object.keys(attributeTypes) as (keyof typeof attributeTypes)[];

/** Models of before IR version 2 do not say the type: it is that of the field that is set. */
function kindOf(record: Decoded<"AttributeProto">): AttributeValue["type"] {
  if (record.ref_attr_name) return "reference";
  if (record.type) return kinds[record.type - 1] ?? "opaque";
  if (record.f !== undefined) return "float";
  if (record.i !== undefined) return "int";
  if (record.s) return "string";
  if (record.t) return "tensor";
  if (record.g) return "graph";
  const lists = ["floats", "ints", "strings", "tensors", "graphs"] as const;
  return lists.find((list) => record[list].length > 0) ?? "opaque";
}

const opaque: AttributeValue = { type: "opaque" };
/** Longer ones are no text but blobs, compiled models for instance. */
const longestString = 1 << 20;

function attributeValue(
  record: Decoded<"AttributeProto">,
  owner: string,
  reader: NodeReader,
): AttributeValue {
  const type = kindOf(record);
  switch (type) {
    case "float":
      return { type, value: record.f ?? 0 };
    case "int":
      return { type, value: record.i ?? 0n };
    case "floats":
      return { type, value: record.floats };
    case "ints":
      return { type, value: record.ints };
    case "string": {
      const value = record.s ? textBytes(record.s) : new Uint8Array(0);
      return value ? { type, value } : opaque;
    }
    case "strings": {
      const value = record.strings.map(textBytes);
      return value.every((text) => text !== null) ? { type, value } : opaque;
    }
    case "tensor": {
      const value = record.t && readTensor(record.t, owner, reader);
      return value ? { type, value } : opaque;
    }
    case "tensors": {
      const value = record.tensors.map((tensor) => readTensor(tensor, owner, reader));
      return value.every((tensor) => tensor !== null) ? { type, value } : opaque;
    }
    case "graph":
      return record.g ? { type, value: reader.body(record.g) } : opaque;
    case "graphs":
      return { type, value: record.graphs.map((graph) => reader.body(graph)) };
    case "reference":
      return { type, name: record.ref_attr_name! };
    case "opaque":
      for (const sparse of [record.sparse_tensor, ...record.sparse_tensors]) {
        if (sparse) reader.carry("SparseTensorProto", sparse);
      }
      return opaque;
  }
}

function textBytes({ source, from, to }: Slice): Uint8Array | null {
  return to - from > longestString ? null : source.read(from, to - from);
}
