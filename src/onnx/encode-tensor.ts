/** Initializer -> TensorProto: as it was, or with what changed. */
import type { Bytes } from "../ir/bytes.ts";
import type { Initializer } from "../ir/graph.ts";
import { dtypes } from "../ir/types.ts";
import { normalizedLocation } from "./external-data.ts";
import { originOf, type TensorOrigin } from "./origin.ts";
import { propertyOf, readProperty } from "./properties.ts";
import { Rope } from "./rope.ts";
import { numbersOf } from "./schema.ts";
import { Edits, type Encoded, occurrences } from "./splice.ts";
import { typedFields } from "./typed-data.ts";

/** Where a tensor's bytes go: into the message, or to a place in a data file. */
export type Home = "inline" | Place;
export interface Place {
  /** Relative to the model's folder. */
  readonly location: string;
  readonly offset: number;
  readonly length: number;
}

const proto = numbersOf("TensorProto");
const entry = numbersOf("StringStringEntryProto");
const externalLocation = 1;

export function encodeTensor(tensor: Initializer, name: string, home: Home): Encoded {
  const origin = originOf.tensor(tensor);
  const edits = new Edits(origin);
  const { dtype, shape, data, metadata } = tensor;
  const sameShape =
    shape.length === origin.shape.length && shape.every((d, i) => d === origin.shape[i]);
  const same = sameShape && dtype === origin.dtype && sameBytes(data, origin.data);
  if (!sameShape) edits.set(proto.dims, ...shape.map((dim) => new Rope().int(proto.dims, dim)));
  edits.int(proto.data_type, origin.dtype ? dtypes[origin.dtype].code : 0, dtypes[dtype].code);
  edits.text(proto.name, origin.name, name);
  edits.properties(proto.metadata_props, origin.metadata, metadata);
  if (home !== "inline") place(edits, origin, home, same);
  else if (origin.external || !same) embed(edits, tensor);
  return edits.apply();
}

export function sameBytes(a: Bytes, b: Bytes | null): boolean {
  if (a === b) return true;
  return (
    a.kind === "file" &&
    b?.kind === "file" &&
    a.file === b.file &&
    a.offset === b.offset &&
    a.length === b.length
  );
}

function embed(edits: Edits, { dtype, data }: Initializer): void {
  for (const number of typedFields) edits.set(number);
  edits.set(proto.external_data);
  edits.set(proto.data_location);
  if (dtype === "string") edits.set(proto.string_data, new Rope().part(data));
  else edits.set(proto.raw_data, new Rope().data(proto.raw_data, data));
}

/** @param same whether the data is what the origin says. */
function place(edits: Edits, origin: TensorOrigin, home: Place, same: boolean): void {
  const { external } = origin;
  if (same && external && isIn(external.location, home) && isAt(external.offset, home)) return;
  if (!external) {
    for (const number of [...typedFields, proto.raw_data]) edits.set(number);
    edits.int(proto.data_location, 0, externalLocation);
  }
  const entries = occurrences(origin, proto.external_data).map((slice) => {
    const [key, value] = readProperty(slice);
    return { slice, key, value };
  });
  const was = new Map(entries.map(({ key, value }) => [key, value]));
  const now = entriesAt(home, was, same);
  const kept = entries.flatMap(({ slice, key, value }, slot) => {
    const text = now.get(key);
    if (text === undefined) return [];
    const inner = new Edits(slice);
    inner.text(entry.value, value, text);
    return [{ slot, content: inner.apply() }];
  });
  const added = [...now].flatMap(([key, value]) => {
    if (was.has(key)) return [];
    return [{ slot: -1, content: propertyOf(key, value) }];
  });
  edits.messages(proto.external_data, entries.length, [...kept, ...added]);
}

/** Entries say what they said, in the same words, wherever that is still so. */
function entriesAt(
  home: Place,
  was: ReadonlyMap<string, string>,
  same: boolean,
): ReadonlyMap<string, string> {
  const now = new Map(was);
  if (!isIn(was.get("location"), home)) now.set("location", home.location);
  if (!isAt(was.get("offset"), home) || was.size === 0) now.set("offset", String(home.offset));
  if (!same || was.size === 0) now.set("length", String(home.length));
  if (!same) now.delete("checksum");
  return now;
}

function isIn(location = "", home: Place): boolean {
  return location === home.location || normalizedLocation(location) === home.location;
}

function isAt(offset = "0", home: Place): boolean {
  return Number(offset) === home.offset;
}
