/** StringStringEntryProto: metadata_props and external_data. */
import { Cursor, wireType } from "./cursor.ts";
import { Rope } from "./rope.ts";
import { numbersOf } from "./schema.ts";
import type { Slice } from "./source.ts";
import { shared } from "./text.ts";

const entry = numbersOf("StringStringEntryProto");

/** Appends the key and the value of one entry to `properties`. */
export function readProperty(slice: Slice, properties: string[]): void {
  let key = "";
  let value = "";
  const field = new Cursor(slice);
  while (field.next()) {
    if (field.wire !== wireType.bytes) continue;
    if (field.number === entry.key) key = field.text();
    else if (field.number === entry.value) value = field.text();
  }
  properties.push(shared(key), value);
}

export function propertyOf(key: string, value: string): Rope {
  return new Rope().text(entry.key, key).text(entry.value, value);
}

/** Keys and values in turn as a map; of a key given twice the last value. */
export function mapOf(properties: readonly string[]): Map<string, string> {
  const map = new Map<string, string>();
  for (let i = 0; i < properties.length; i += 2) map.set(properties[i]!, properties[i + 1]!);
  return map;
}
