/** Tensors inside of messages that are carried unread: found by the schema alone. */
import { fail } from "../diag/diagnostic.ts";
import { Cursor, wireType } from "./cursor.ts";
import { type MessageName, schema } from "./schema.ts";
import type { Slice } from "./source.ts";

/** The messages that hold tensors, at whatever depth. */
const holders: ReadonlySet<string> = new Set<MessageName>([
  "TensorProto",
  "SparseTensorProto",
  "AttributeProto",
  "NodeProto",
  "GraphProto",
  "TrainingInfoProto",
]);

/** The message that field `number` of `message` is, where it may hold tensors. */
export function holderAt(message: MessageName, number: number): MessageName | undefined {
  const field = Object.values(schema[message]).find(([candidate]) => candidate === number);
  return field && holders.has(field[1]) ? (field[1] as MessageName) : undefined;
}

const deepestMessage = 100;

/** Every TensorProto below `slice`, in order. */
export function* tensorsIn(message: MessageName, slice: Slice, depth = 0): Generator<Slice> {
  if (depth > deepestMessage) throw fail("graph-depth", { path: slice.source.path });
  if (message === "TensorProto") return yield slice;
  const field = new Cursor(slice);
  while (field.next()) {
    const child = holderAt(message, field.number);
    if (child && field.wire === wireType.bytes) yield* tensorsIn(child, field.slice(), depth + 1);
  }
}
