/**
 * The gradient of a value from what flows back through each of its readers. Stretches along one axis
 * that tile it are one Concat: the gradient of q, k and v cut from their product costs one copy.
 */
import { type Extent, subtractDims } from "../src/onnx-ops/dims.ts";
import type { Part, Stretch } from "../src/onnx-ops/vjp.ts";
import { Wire } from "../src/onnx-ops/wire.ts";

/** The sum of the parts, in the shape of `value`. */
export function wholeOf(parts: readonly Part[], value: Wire): Wire {
  const { grower } = value;
  const wires = parts.filter((part) => part instanceof Wire);
  const stretches = parts.filter((part): part is Stretch => !(part instanceof Wire));
  const axes = [...new Set(stretches.map(({ axis }) => axis))];
  const rows = axes.flatMap((axis) =>
    rowsOf(
      stretches.filter((stretch) => stretch.axis === axis),
      value,
    ),
  );
  const all = [...wires, ...rows];
  return all.length ? grower.sum(all) : grower.zeros(value.dtype, value.shape);
}

/** As few tensors of the whole shape as hold stretches that may overlap. */
function rowsOf(stretches: readonly Stretch[], value: Wire): Wire[] {
  const rest = stretches.filter(({ start, end }) => start !== end);
  const rows: Wire[] = [];
  while (rest.length > 0) rows.push(takeRow(rest, value));
  return rows;
}

/** Takes from `rest` what lies side by side; zeros fill the gaps. */
function takeRow(rest: Stretch[], { shape, dtype, grower }: Wire): Wire {
  const { axis } = rest[0]!;
  const dim = shape[axis]!;
  const pieces: Wire[] = [];
  let cursor: Extent = 0;
  const fillTo = (bound: Extent) => {
    if (bound === cursor) return;
    pieces.push(grower.zeros(dtype, shape.with(axis, between(cursor, bound))));
  };
  while (cursor !== dim) {
    const next = nextAt(rest, cursor, pieces.length === 0);
    if (!next) break;
    rest.splice(rest.indexOf(next), 1);
    fillTo(next.start);
    pieces.push(next.gradient);
    cursor = next.end;
  }
  fillTo(dim);
  return grower.concat(pieces, axis);
}

/** The stretch that begins at `cursor`, or the next one behind it whose place is known. */
function nextAt(rest: readonly Stretch[], cursor: Extent, first: boolean): Stretch | undefined {
  const behind = rest
    .filter(
      ({ start }) => typeof start === "number" && typeof cursor === "number" && start > cursor,
    )
    .sort((a, b) => Number(a.start) - Number(b.start));
  return rest.find(({ start }) => start === cursor) ?? behind[0] ?? (first ? rest[0] : undefined);
}

function between(start: Extent, end: Extent): Extent {
  return subtractDims(end, start) as Extent;
}
