/** The fields of a message, by protobufjs' reader: an eye of its own on what the codec wrote. */
import protobuf from "protobufjs";

export interface Field {
  readonly number: number;
  /** The field as encoded, its tag included. */
  readonly encoded: string;
  /** Content of length-delimited fields. */
  readonly content: Buffer;
}

export function fieldsOf(message: Uint8Array): Field[] {
  const bytes = Buffer.from(message);
  const reader = protobuf.Reader.create(bytes);
  const fields: Field[] = [];
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const tag = reader.uint32();
    const content = (tag & 7) === 2 ? Buffer.from(reader.bytes()) : Buffer.alloc(0);
    if ((tag & 7) !== 2) reader.skipType(tag & 7);
    fields.push({
      number: tag >>> 3,
      encoded: bytes.subarray(start, reader.pos).toString("hex"),
      content,
    });
  }
  return fields;
}

/** Messages below a message: `contentsAt(model, 7, 1)` are the nodes. */
export function contentsAt(message: Uint8Array, ...numbers: number[]): Buffer[] {
  return numbers.reduce<Buffer[]>(
    (messages, number) =>
      messages.flatMap((bytes) =>
        fieldsOf(bytes)
          .filter((field) => field.number === number)
          .map(({ content }) => content),
      ),
    [Buffer.from(message)],
  );
}

/** What differs between two messages: the fields of each that the other has not, by number. */
export function changed(
  before: Uint8Array,
  after: Uint8Array,
): { gone: number[]; added: number[] } {
  const [a, b] = [fieldsOf(before), fieldsOf(after)];
  const minus = (from: Field[], other: Field[]) => {
    const left = other.map(({ encoded }) => encoded);
    return from.flatMap(({ number, encoded }) => {
      const at = left.indexOf(encoded);
      if (at >= 0) left.splice(at, 1);
      return at >= 0 ? [] : [number];
    });
  };
  return { gone: minus(a, b), added: minus(b, a) };
}

/** The fields of a message that stay, in their order. */
export function orderOf(message: Uint8Array, without: readonly number[]): string[] {
  return fieldsOf(message)
    .filter(({ number }) => !without.includes(number))
    .map(({ encoded }) => encoded);
}
