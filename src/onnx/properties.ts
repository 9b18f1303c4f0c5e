/** StringStringEntryProto: metadata_props and external_data. */
import { noProperties, type Properties } from "../ir/graph.ts";
import { Cursor, wireType } from "./cursor.ts";
import { Rope } from "./rope.ts";
import { numbersOf } from "./schema.ts";
import type { Slice, Source } from "./source.ts";
import { shared } from "./text.ts";
import { trimmed } from "./trimmed.ts";

const entry = numbersOf("StringStringEntryProto");

/** Appends where the key and the value of one entry begin and end. */
export function notePlaces(slice: Slice, places: number[]): void {
  const at = places.length;
  places.push(0, 0, 0, 0);
  const field = new Cursor(slice);
  while (field.next()) {
    if (field.wire !== wireType.bytes) continue;
    const { number } = field;
    if (number !== entry.key && number !== entry.value) continue;
    const half = number === entry.key ? at : at + 2;
    places[half] = field.from;
    places[half + 1] = field.to;
  }
}

/** Of the entries with these places. */
export function propertiesAt(source: Source, places: readonly number[]): Properties {
  if (places.length === 0) return noProperties;
  const stored = new StoredProperties(source, trimmed(places));
  return source.disk ? new Map(stored) : stored;
}

/**
 * What exporters say of where nodes come from is most of a model file, and little of it is ever
 * read: where the file is in memory, its texts are made when somebody asks for them.
 */
class StoredProperties implements Properties {
  readonly #source: Source;
  readonly #places: readonly number[];

  constructor(source: Source, places: readonly number[]) {
    this.#source = source;
    this.#places = places;
  }

  /** Of a key given twice the last value. */
  get(key: string): string | undefined {
    const length = Buffer.byteLength(key);
    for (let i = this.#places.length - 4; i >= 0; i -= 4) {
      const from = this.#places[i]!;
      const to = this.#places[i + 1]!;
      if (to - from === length && this.#source.text(from, to) === key) return this.#value(i);
    }
    return undefined;
  }

  *[Symbol.iterator](): Iterator<[string, string]> {
    for (let i = 0; i < this.#places.length; i += 4) {
      const key = this.#source.text(this.#places[i]!, this.#places[i + 1]!);
      yield [shared(key), this.#value(i)];
    }
  }

  #value(i: number): string {
    return this.#source.text(this.#places[i + 2]!, this.#places[i + 3]!);
  }
}

export type Property = readonly [key: string, value: string];

export function readProperty(slice: Slice): Property {
  const { source } = slice;
  const places: number[] = [];
  notePlaces(slice, places);
  const [keyFrom, keyTo, valueFrom, valueTo] = places as [number, number, number, number];
  return [shared(source.text(keyFrom, keyTo)), source.text(valueFrom, valueTo)];
}

export function propertyOf(key: string, value: string): Rope {
  return new Rope().text(entry.key, key).text(entry.value, value);
}
