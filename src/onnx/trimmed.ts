const nothing: readonly never[] = Object.freeze([]);

/**
 * The same list without room for more: an array that has grown by `push` holds seventeen places,
 * and a model is made of short lists.
 */
export function trimmed<T>(list: readonly T[]): readonly T[] {
  return list.length === 0 ? nothing : list.slice();
}
