/** Tensors inside of messages that are carried unread: found by the schema alone. */
import { fail } from "../diag/diagnostic.ts";
import { Cursor, wireType } from "./cursor.ts";
import type { Encoder } from "./encode-node.ts";
import { encodeTensor } from "./encode-tensor.ts";
import { originOf } from "./origin.ts";
import { type MessageName, schema } from "./schema.ts";
import type { Slice } from "./source.ts";
import { Edits, type Encoded, occurrences } from "./splice.ts";

/** The messages that hold tensors, at whatever depth. */
const holders: ReadonlySet<string> = new Set<MessageName>([
  "TensorProto",
  "SparseTensorProto",
  "AttributeProto",
  "NodeProto",
  "GraphProto",
  "TrainingInfoProto",
]);

/** By field number, the messages in `message` that may hold tensors. */
function holdersIn(message: MessageName): ReadonlyMap<number, MessageName> {
  const fields = Object.values(schema[message]).filter(([, kind]) => holders.has(kind));
  return new Map(fields.map(([number, kind]) => [number, kind as MessageName]));
}

const deepestMessage = 100;

/** Every TensorProto below `slice`, in order. */
export function* tensorsIn(message: MessageName, slice: Slice, depth = 0): Generator<Slice> {
  if (depth > deepestMessage) throw fail("graph-depth", { path: slice.source.path });
  if (message === "TensorProto") return yield slice;
  const children = holdersIn(message);
  const field = new Cursor(slice);
  while (field.next()) {
    const child = children.get(field.number);
    if (child && field.wire === wireType.bytes) yield* tensorsIn(child, field.slice(), depth + 1);
  }
}

/** A message that was not read, but for the places of its external data. */
export function carry(message: MessageName, slice: Slice, encoder: Encoder): Encoded {
  const inside = encoder.carried.filter((tensor) => isInside(originOf.tensor(tensor), slice));
  if (inside.length === 0) return slice;
  if (message === "TensorProto") {
    const tensor = inside[0]!;
    return encodeTensor(tensor, tensor.name, encoder.home(tensor));
  }
  const edits = new Edits(slice);
  for (const [number, child] of holdersIn(message)) {
    const parts = occurrences(slice, number).map((part, slot) => {
      return { slot, content: carry(child, part, encoder) };
    });
    edits.messages(number, parts.length, parts);
  }
  return edits.apply();
}

function isInside(inner: Slice, outer: Slice): boolean {
  return inner.source === outer.source && inner.from >= outer.from && inner.to <= outer.to;
}
