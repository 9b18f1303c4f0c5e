/**
 * A message re-encoded by replacing only the fields that changed: everything else, unknown fields
 * and the order of all of them included, stays as it was written.
 */
import type { Properties } from "../ir/graph.ts";
import { Cursor } from "./cursor.ts";
import { propertyOf, readProperty } from "./properties.ts";
import { Rope } from "./rope.ts";
import type { Slice } from "./source.ts";

/** A message as it is in its file, or made anew, then without a tag. */
export type Encoded = Slice | Rope;

/** An element of a repeated message. */
export interface Element {
  /** Which occurrence of the field it replaces; -1 for none. */
  readonly slot: number;
  readonly content: Encoded;
}

/** The same as a field, its tag included. */
interface Field {
  readonly slot: number;
  readonly field: Encoded;
}

/** A message read from pieces of a file has no tag to keep. */
function fieldOf(number: number, content: Encoded): Encoded {
  const untouched = !(content instanceof Rope) && content.start < content.from;
  return untouched ? content : new Rope().encoded(number, content);
}

export function whole(content: Encoded): Rope {
  if (content instanceof Rope) return content;
  return new Rope().span(content.source, content.from, content.to);
}

/** The occurrences of a field. */
export function occurrences(slice: Slice, number: number): Slice[] {
  const found: Slice[] = [];
  const field = new Cursor(slice);
  while (field.next()) if (field.number === number) found.push(field.slice());
  return found;
}

/** A value, or null for what was left out. */
type Named = { readonly name: string } | null | undefined;

function areNames(names: readonly string[], values: readonly Named[]): boolean {
  if (names.length !== values.length) return false;
  for (let i = 0; i < names.length; i++) if (names[i] !== (values[i]?.name ?? "")) return false;
  return true;
}

export class Edits {
  readonly #slice: Slice;
  /** Null while nothing is edited, as most messages are not. */
  #lists: Map<number, readonly Field[]> | null = null;

  /** @param slice the message as it was; an empty one where it is new. */
  constructor(slice: Slice) {
    this.#slice = slice;
  }

  /** Replaces all occurrences of a field. */
  set(number: number, ...fields: Rope[]): void {
    this.#put(
      number,
      fields.map((field, slot) => ({ slot, field })),
    );
  }

  #put(number: number, fields: readonly Field[]): void {
    this.#lists ??= new Map();
    this.#lists.set(number, fields);
  }

  text(number: number, was: string, now: string): void {
    if (was === now) return;
    if (now === "") this.set(number);
    else this.set(number, new Rope().text(number, now));
  }

  /** Names of values; what was left out is an empty text. */
  names(number: number, was: readonly string[], now: readonly Named[]): void {
    if (areNames(was, now)) return;
    this.set(number, ...Array.from(now, (value) => new Rope().text(number, value?.name ?? "")));
  }

  int(number: number, was: number, now: number): void {
    if (was !== now) this.set(number, new Rope().int(number, now));
  }

  /** Messages of which there were `count`. */
  messages(number: number, count: number, now: readonly Element[]): void {
    const same = ({ slot, content }: Element, i: number) =>
      slot === i && !(content instanceof Rope);
    if (now.length === count && now.every(same)) return;
    this.#put(
      number,
      now.map(({ slot, content }) => ({ slot, field: fieldOf(number, content) })),
    );
  }

  /** Entries of a key and a value each. A key that is there twice stays so. */
  properties(number: number, was: Properties, now: Properties): void {
    if (was === now) return;
    const [read, wanted] = [new Map(was), new Map(now)];
    let same = read.size === wanted.size;
    for (const [key, text] of wanted) same &&= read.get(key) === text;
    if (same) return;
    const entries = occurrences(this.#slice, number).map((slice) => {
      return { slice, key: readProperty(slice)[0] };
    });
    const elements = [...wanted].flatMap(([key, text]): Element[] => {
      const slots = entries.flatMap((entry, slot) => (entry.key === key ? [slot] : []));
      if (slots.length > 0 && read.get(key) === text) {
        return slots.map((slot) => ({ slot, content: entries[slot]!.slice }));
      }
      return [{ slot: slots[0] ?? -1, content: propertyOf(key, text) }];
    });
    this.messages(number, -1, elements);
  }

  /** The message with the edits; the slice itself where there are none. */
  apply(): Encoded {
    return this.#lists ? splice(this.#slice, this.#lists) : this.#slice;
  }
}

/** New fields stand where the canonical order has them: before the first of a greater number. */
function splice(slice: Slice, lists: ReadonlyMap<number, readonly Field[]>): Rope {
  if (slice.from === slice.to) return ofNewFields(lists);
  const queues: (Queue | undefined)[] = [];
  lists.forEach((fields, number) => {
    queues[number] = new Queue(fields);
  });
  const count = new Cursor(slice);
  while (count.next()) queues[count.number]?.await();
  const added = [...lists.keys()].filter((number) => queues[number]!.isNew).sort((a, b) => a - b);
  const rope = new Rope();
  const field = new Cursor(slice);
  // Most fields stay: a run of them is one span.
  let kept = slice.from;
  const keep = (end: number) => {
    rope.span(slice.source, kept, end);
  };
  while (field.next()) {
    const { number, start, to } = field;
    while (added.length > 0 && added[0]! < number) {
      keep(start);
      kept = start;
      queues[added.shift()!]!.rest(rope);
    }
    const queue = queues[number];
    if (queue === undefined || queue.passes(field)) continue;
    keep(start);
    kept = to;
    queue.upTo(rope);
  }
  keep(slice.to);
  for (const number of added) queues[number]!.rest(rope);
  return rope;
}

function ofNewFields(lists: ReadonlyMap<number, readonly Field[]>): Rope {
  const rope = new Rope();
  const numbers = [...lists.keys()].sort((a, b) => a - b);
  for (const number of numbers) for (const { field } of lists.get(number)!) put(rope, field);
  return rope;
}

function isAt(field: Encoded, { source, start }: Slice): boolean {
  return !(field instanceof Rope) && field.source === source && field.start === start;
}

function put(rope: Rope, field: Encoded): void {
  if (field instanceof Rope) rope.rope(field);
  else rope.field(field);
}

/** The elements of one field, handed out as the occurrences that they replace come by. */
class Queue {
  readonly #elements: readonly Field[];
  /** Where in the list the element for a slot is; null where that is plain, as most are in order. */
  readonly #places: ReadonlyMap<number, number> | null;
  #next = 0;
  /** The next occurrence, of how many. */
  #slot = 0;
  #occurrences = 0;

  constructor(elements: readonly Field[]) {
    this.#elements = elements;
    this.#places = isInOrder(elements)
      ? null
      : new Map(elements.map(({ slot }, place) => [slot, place]));
  }

  /** There is one occurrence more. */
  await(): void {
    this.#occurrences++;
  }

  get isNew(): boolean {
    return this.#occurrences === 0;
  }

  /** Whether the next occurrence, which is `field`, stays and nothing goes with it: then it is done. */
  passes(field: Slice): boolean {
    const next = this.#elements[this.#next];
    const isLast = this.#slot + 1 === this.#occurrences;
    if (isLast || next?.slot !== this.#slot || !isAt(next.field, field)) return false;
    this.#next++;
    this.#slot++;
    return true;
  }

  /** At the next occurrence: all that stand before its replacement, and that; at the last one all. */
  upTo(rope: Rope): void {
    const place = this.#placeOf(this.#slot++);
    while (this.#next <= place) this.#put(rope);
    if (this.#slot === this.#occurrences) this.rest(rope);
  }

  rest(rope: Rope): void {
    while (this.#next < this.#elements.length) this.#put(rope);
  }

  #placeOf(slot: number): number {
    if (this.#places) return this.#places.get(slot) ?? -1;
    let place = this.#next;
    while (this.#elements[place]?.slot === -1) place++;
    return this.#elements[place]?.slot === slot ? place : -1;
  }

  #put(rope: Rope): void {
    put(rope, this.#elements[this.#next++]!.field);
  }
}

/** Whether elements that replace something are in the order of what they replace. */
function isInOrder(elements: readonly Field[]): boolean {
  let last = -1;
  return elements.every(({ slot }) => {
    if (slot === -1) return true;
    const behind = slot > last;
    last = slot;
    return behind;
  });
}
