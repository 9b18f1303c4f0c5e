/** What rules of gradients share: the adjoints of moving elements. */
import type { Dim } from "../ir/types.ts";
import { type Extent, endless, productOf } from "./dims.ts";
import type { Wire } from "./wire.ts";

/** `before` and `after` elements less along each axis; a negative number puts zeros there. */
export function crop(x: Wire, margins: ReadonlyMap<number, readonly [number, number]>): Wire {
  const { grower } = x;
  const cuts = [...margins].filter(([, ends]) => ends.some((n) => n > 0));
  const cut = cuts.length
    ? grower.one("Slice", [
        x,
        grower.ints(cuts.map(([, [before]]) => Math.max(before, 0))),
        grower.ints(cuts.map(([, [, after]]) => (after > 0 ? -after : endless))),
        grower.ints(cuts.map(([axis]) => axis)),
      ])
    : x;
  return [...margins].reduce(
    (y, [axis, [before, after]]) => widen(y, axis, Math.max(-before, 0), Math.max(-after, 0)),
    cut,
  );
}

/** With zeros in front of it and behind it. */
export function widen(x: Wire, axis: number, before: Extent, after: Extent): Wire {
  const { grower, dtype, shape } = x;
  const zeros = (size: Extent) => (size === 0 ? [] : [grower.zeros(dtype, shape.with(axis, size))]);
  return grower.concat([...zeros(before), x, ...zeros(after)], axis);
}

/** The other way round along an axis. */
export function flip(x: Wire, axes: readonly number[]): Wire {
  const { grower } = x;
  const all = (value: number) => grower.ints(axes.map(() => value));
  return axes.length
    ? grower.one("Slice", [x, all(-1), all(-endless), grower.ints(axes), all(-1)])
    : x;
}

/** `step - 1` zeros behind each element along an axis. */
export function spread(x: Wire, axis: number, step: number): Wire {
  if (step === 1) return x;
  const size = x.shape[axis] as number;
  const apart = widen(x.unsqueeze([axis + 1]), axis + 1, 0, step - 1);
  return apart.reshape(x.shape.with(axis, size * step));
}

/**
 * Zeros in the shape of `x` with `dy` added where `indices` say. ScatterElements and not ScatterND:
 * the latter adds on several threads and loses terms where places repeat.
 */
export function scatterAdd(x: Wire, indices: Wire, dy: Wire, axis: number): Wire {
  const { grower, dtype, shape, type } = x;
  return grower.one("ScatterElements", [grower.zeros(dtype, shape), indices, dy], {
    attributes: { axis, reduction: "add" },
    types: [type],
  });
}

/** The adjoint of any movement: where it moves the numbers of the places of `x`, `dy` comes from. */
export function scatterBack(
  x: Wire,
  dy: Wire,
  op: string,
  rest: readonly (Wire | null)[],
  attributes: Readonly<Record<string, number | string>> = {},
): Wire {
  const { grower } = x;
  const total = productOf(x.shape) as Extent;
  const places = grower.one(op, [grower.iota(total).reshape(x.shape), ...rest], {
    attributes,
    types: [{ dtype: "int64", shape: dy.shape }],
  });
  const flat = x.reshape([total]);
  return scatterAdd(flat, places.reshape([-1]), dy.reshape([-1]), 0).reshape(x.shape);
}

/** Whole numbers that are known now; undefined where one is computed. */
export function numbersOf(ints: readonly Dim[] | undefined): readonly number[] | undefined {
  return ints?.every((n) => typeof n === "number") ? ints : undefined;
}
