/** A data file without the stretches that nothing refers to any more. */

export interface Extent {
  readonly offset: number;
  readonly length: number;
}

export interface Move {
  readonly from: number;
  readonly to: number;
  readonly length: number;
}

/** Offsets keep the alignment that they had, up to a page. */
const widestAlignment = 4096;

/**
 * @param before what the file was used for, and `wanted` what it still is. While everything is
 * wanted the file stays as it is, bytes that no tensor refers to included.
 * @returns the stretches to copy, in order; `moved` gives the new offset of an old one.
 */
export function compact(
  before: readonly Extent[],
  wanted: readonly Extent[],
  size: number,
): { moves: readonly Move[]; size: number; moved(offset: number): number } {
  const kept = joined(wanted);
  if (total(joined([...before, ...wanted])) === total(kept)) {
    return { moves: [{ from: 0, to: 0, length: size }], size, moved: (offset) => offset };
  }
  let end = 0;
  const moves = kept.map(({ offset, length }) => {
    const to = alignedLike(offset, end);
    end = to + length;
    return { from: offset, to, length };
  });
  const moved = (offset: number) => {
    const move = lastAtOrBefore(moves, offset);
    return move ? offset - move.from + move.to : 0;
  };
  return { moves: unbroken(moves), size: end, moved };
}

/** The extents in order, overlapping ones joined. */
function joined(extents: readonly Extent[]): Extent[] {
  const result: { offset: number; length: number }[] = [];
  for (const { offset, length } of [...extents].sort((a, b) => a.offset - b.offset)) {
    const last = result.at(-1);
    if (length === 0) continue;
    if (last && offset < last.offset + last.length) {
      last.length = Math.max(last.length, offset + length - last.offset);
    } else result.push({ offset, length });
  }
  return result;
}

function total(extents: readonly Extent[]): number {
  return extents.reduce((sum, { length }) => sum + length, 0);
}

/** The next place from `end` on that is as well aligned as `offset`. */
function alignedLike(offset: number, end: number): number {
  let boundary = 1;
  while (boundary < widestAlignment && offset % (2 * boundary) === 0) boundary *= 2;
  return Math.ceil(end / boundary) * boundary;
}

function lastAtOrBefore(moves: readonly Move[], offset: number): Move | undefined {
  let low = 0;
  let high = moves.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (moves[middle]!.from <= offset) low = middle + 1;
    else high = middle;
  }
  return moves[low - 1];
}

/** Neighbours that stay neighbours as one move. */
function unbroken(moves: readonly Move[]): Move[] {
  const result: Move[] = [];
  for (const move of moves) {
    const last = result.at(-1);
    if (last && last.from + last.length === move.from && last.to + last.length === move.to) {
      result[result.length - 1] = { ...last, length: last.length + move.length };
    } else result.push(move);
  }
  return result;
}
