/** Messages of the schema as records of their fields. */
import { Cursor, wireType } from "./cursor.ts";
import { type MessageName, type Schema, schema } from "./schema.ts";
import { malformed, type Slice, Source } from "./source.ts";

interface Scalars {
  int: number;
  bigint: bigint;
  float: number;
  string: string;
}
type Kind = keyof Scalars | "bytes" | "kept" | MessageName;
type ElementOf<K> = K extends keyof Scalars ? Scalars[K] : Slice;
type FieldOf<F> = F extends readonly [number, infer K, "repeated"]
  ? readonly ElementOf<K>[]
  : F extends readonly [number, infer K]
    ? ElementOf<K> | undefined
    : never;

/** The decoded fields of message M; what was not there is undefined or empty. */
export type Decoded<M extends MessageName> = {
  readonly [F in keyof Schema[M]]: FieldOf<Schema[M][F]>;
};

interface Field {
  readonly name: string;
  readonly kind: Kind;
  readonly repeated: boolean;
}
interface Layout {
  /** By number. */
  readonly fields: readonly (Field | undefined)[];
  readonly blank: Record<string, unknown>;
}

const nothing: readonly never[] = Object.freeze([]);

function layoutOf(fields: Readonly<Record<string, readonly unknown[]>>): Layout {
  const layout: (Field | undefined)[] = [];
  const blank: Record<string, unknown> = {};
  for (const [name, [number, kind, repeated]] of Object.entries(fields)) {
    layout[number as number] = { name, kind: kind as Kind, repeated: repeated !== undefined };
    if (kind === "kept") continue;
    blank[name] = repeated ? nothing : undefined;
  }
  return { fields: layout, blank };
}

const layouts = Object.fromEntries(
  Object.entries(schema).map(([message, fields]) => [message, layoutOf(fields)]),
) as Record<MessageName, Layout>;

/**
 * Decodes one message. Fields of another wire type than the schema's are unknown ones, as protobuf
 * has it; scalars given twice take the last value, messages given twice are merged.
 * @throws GraftError where the encoding is damaged.
 */
export function decode<M extends MessageName>(message: M, slice: Slice): Decoded<M> {
  const { fields, blank } = layouts[message];
  const record = { ...blank };
  const doubled = new Map<string, Slice[]>();
  const cursor = new Cursor(slice);
  while (cursor.next()) {
    const field = fields[cursor.number];
    if (!field || field.kind === "kept") continue;
    const { name, kind } = field;
    if (field.repeated) append(record, name, kind, cursor);
    else if (kind === "string") {
      if (cursor.wire === wireType.bytes) record[name] = cursor.text();
    } else if (kind === "int" || kind === "bigint") {
      if (cursor.wire === wireType.varint) record[name] = cursor[kind]();
    } else if (kind === "float") {
      if (cursor.wire === wireType.fixed32) record[name] = cursor.float();
    } else if (cursor.wire === wireType.bytes) {
      const value = cursor.slice();
      const known = record[name] as Slice | undefined;
      if (known && kind !== "bytes") {
        if (!doubled.has(name)) doubled.set(name, [known]);
        doubled.get(name)!.push(value);
      }
      record[name] = value;
    }
  }
  for (const [name, slices] of doubled) record[name] = merge(slices);
  return record as Decoded<M>;
}

function append(record: Record<string, unknown>, name: string, kind: Kind, cursor: Cursor): void {
  if (record[name] === nothing) record[name] = [];
  const list = record[name] as unknown[];
  const { wire } = cursor;
  if (kind === "int" || kind === "bigint") {
    if (wire === wireType.varint) list.push(cursor[kind]());
    else if (wire === wireType.bytes) {
      const packed = new Cursor(cursor);
      while (packed.more) {
        packed.varint();
        list.push(packed[kind]());
      }
    }
  } else if (kind === "float") {
    if (wire === wireType.fixed32) list.push(cursor.float());
    else if (wire === wireType.bytes) {
      for (let at = cursor.from; at + 4 <= cursor.to; at += 4) list.push(cursor.float(at));
    }
  } else if (wire === wireType.bytes) {
    list.push(kind === "string" ? cursor.text() : cursor.slice());
  }
}

const largestMerge = 1 << 26;

/** A message that is given in pieces is the concatenation of them. */
function merge(slices: readonly Slice[]): Slice {
  const { source, from } = slices[0]!;
  const length = slices.reduce((sum, slice) => sum + slice.to - slice.from, 0);
  if (length > largestMerge) throw malformed(source, from, "a message of over 64 MB is in pieces");
  const bytes = Buffer.concat(slices.map((s) => s.source.read(s.from, s.to - s.from)));
  return Source.hold(source.path, bytes).slice;
}
