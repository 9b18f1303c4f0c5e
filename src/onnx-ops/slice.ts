/** Cutting along axes. */
import type { Dim } from "../ir/types.ts";
import { flip, numbersOf, scatterBack, spread, widen } from "./adjoints.ts";
import { addDims, type Extent, endless, subtractDims } from "./dims.ts";
import { axisOf, type OpLiteral, ranked } from "./op.ts";
import { vjp } from "./vjp.ts";
import type { Wire } from "./wire.ts";

export const slice: readonly OpLiteral[] = [
  {
    op: "Slice",
    infer: ranked(([x, starts, ends, axes, steps]) => {
      if (!x || !starts?.ints || !ends?.ints || (axes && !axes.ints)) return null;
      if (steps && !steps.ints?.every((step) => step === 1)) {
        const flips = steps.ints?.every((step) => step === -1);
        const whole = starts.ints.every((s) => s === -1) && ends.ints.every(reachesFront);
        return flips && whole ? [{ dtype: x.dtype, shape: x.shape }] : null;
      }
      const dims = [...x.shape];
      starts.ints.forEach((start, i) => {
        const given = axes?.ints?.[i] ?? i;
        const axis = typeof given === "number" ? axisOf("Slice", given, x) : 0;
        dims[axis] = sliceSize(x.shape[axis]!, start, ends.ints![i]!);
      });
      return [{ dtype: x.dtype, shape: dims }];
    }),
    vjp: vjp(({ dy, x: [x, starts, ends, axes = null, steps = null], y }) => {
      const cuts = cutsOf(x!, y, { starts: starts!, ends: ends!, axes, steps });
      if (!cuts) return [scatterBack(x!, dy, "Slice", [starts!, ends!, axes, steps])];
      const [first, ...others] = cuts;
      if (!first) return [dy];
      const laid = cuts.reduce(layOut, dy);
      const gradient = others.reduce((part, { axis, start, end }) => {
        return widen(part, axis, start, subtractDims(x!.shape[axis]!, end) as Extent);
      }, laid);
      return [{ axis: first.axis, start: first.start, end: first.end, gradient }];
    }),
  },
];

interface Cut {
  readonly axis: number;
  readonly step: number;
  /** The stretch it takes from, whatever the direction; a step of 2 may not reach its end. */
  readonly start: Extent;
  readonly end: Extent;
}

/** As the elements lay in the stretch. */
function layOut(part: Wire, { axis, step, start, end }: Cut): Wire {
  const forward = step < 0 ? flip(part, [axis]) : part;
  const apart = spread(forward, axis, Math.abs(step));
  const size = subtractDims(end, start) as Extent;
  return apart.shape[axis] === size || step === 1 ? apart : apart.slice(axis, 0, size);
}

interface Bounds {
  readonly starts: Wire;
  readonly ends: Wire;
  readonly axes: Wire | null;
  readonly steps: Wire | null;
}

/** Undefined where they are known only while the model runs. */
function cutsOf(x: Wire, y: Wire, { starts, ends, axes, steps }: Bounds): Cut[] | undefined {
  const places = axes ? numbersOf(axes.ints) : starts.ints?.map((_, i) => i);
  const strides = steps ? numbersOf(steps.ints) : places?.map(() => 1);
  const { ints } = starts;
  if (!places || !strides || !ints) return undefined;
  const cuts = places.map((place, i) => {
    const axis = axisOf("Slice", place, x);
    const bounds = [ints[i]!, ends.ints?.[i]] as const;
    return cutOf(x.shape[axis]!, y.shape[axis]!, bounds, { axis, step: strides[i]! });
  });
  return cuts.every((cut) => cut !== undefined) ? cuts : undefined;
}

function cutOf(
  dim: Extent,
  size: Extent,
  [from, to]: readonly [Extent, Extent | undefined],
  { axis, step }: { axis: number; step: number },
): Cut | undefined {
  if (step === 1) {
    const start = boundOf(dim, from) as Extent;
    const open = typeof to === "number" && to >= endless;
    return { axis, step, start, end: open ? dim : (addDims(start, size) as Extent) };
  }
  if (step === -1 && from === -1 && reachesFront(to)) return { axis, step, start: 0, end: dim };
  if (typeof dim !== "number" || typeof size !== "number" || typeof from !== "number") {
    return undefined;
  }
  if (size === 0) return { axis, step: 1, start: 0, end: 0 };
  const at = Math.min(boundOf(dim, from) as number, dim - 1);
  const start = step > 0 ? at : at + (size - 1) * step;
  return { axis, step, start, end: Math.min(start + size * Math.abs(step), dim) };
}

const reachesFront = (end: Dim | undefined) => typeof end === "number" && end <= -endless;

/** Python's rule; bounds of symbolic axes, and symbolic bounds, lie inside. */
function boundOf(dim: Dim, bound: Dim): Dim {
  if (typeof bound !== "number") return bound;
  if (typeof dim === "number") return Math.min(Math.max(bound < 0 ? bound + dim : bound, 0), dim);
  if (bound < 0) return addDims(dim, bound);
  return bound >= endless ? dim : bound;
}

/** For a step of 1. */
function sliceSize(dim: Dim, start: Dim, end: Dim): Dim {
  const size = subtractDims(boundOf(dim, end), boundOf(dim, start));
  return typeof size === "number" ? Math.max(size, 0) : size;
}
