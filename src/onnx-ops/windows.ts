/** Windows that move over spatial axes, the last ones of a tensor [batch, channels, ...]. */
import { type Dim, isStatic } from "../ir/types.ts";
import { crop, widen } from "./adjoints.ts";
import type { AttributeInput } from "./attributes.ts";
import { addDims, type Extent, subtractDims } from "./dims.ts";
import type { AttributeReader } from "./op.ts";
import type { Wire } from "./wire.ts";

/** One number for each spatial axis. */
export interface Windows {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** Zeros in front of the axis and behind it. */
  readonly before: readonly number[];
  readonly after: readonly number[];
}

/** Undefined where sizes that decide are known only while the model runs. */
export function windowsOf(
  attributes: AttributeReader,
  kernel: readonly Dim[],
  spatial: readonly Dim[],
): Windows | undefined {
  if (!isStatic(kernel)) return undefined;
  const ones = kernel.map(() => 1);
  const strides = attributes.ints("strides") ?? ones;
  const dilations = attributes.ints("dilations") ?? ones;
  const auto = attributes.string("auto_pad") ?? "NOTSET";
  if (!auto.startsWith("SAME")) {
    const none = [...kernel, ...kernel].map(() => 0);
    const pads = auto === "NOTSET" ? (attributes.ints("pads") ?? none) : none;
    const [before, after] = [pads.slice(0, kernel.length), pads.slice(kernel.length)];
    return { kernel, strides, dilations, before, after };
  }
  if (!isStatic(spatial)) return undefined;
  const total = spatial.map((dim, i) => {
    const covered = (Math.ceil(dim / strides[i]!) - 1) * strides[i]!;
    return Math.max(covered + dilations[i]! * (kernel[i]! - 1) + 1 - dim, 0);
  });
  const small = total.map((n) => Math.floor(n / 2));
  const large = total.map((n) => Math.ceil(n / 2));
  const [before, after] = auto === "SAME_UPPER" ? [small, large] : [large, small];
  return { kernel, strides, dilations, before, after };
}

/** From the first element that a window sees to its last. */
export function reachOf({ kernel, dilations }: Windows, i: number): number {
  return dilations[i]! * (kernel[i]! - 1) + 1;
}

/** How many windows fit. */
export function countOf(dim: Dim, windows: Windows, i: number): Dim {
  const stride = windows.strides[i]!;
  const room = subtractDims(
    addDims(dim, windows.before[i]! + windows.after[i]!),
    reachOf(windows, i),
  );
  if (typeof room === "number") return Math.floor(room / stride) + 1;
  return stride === 1 ? addDims(room, 1) : null;
}

export function attributesOf(windows: Windows): Readonly<Record<string, AttributeInput>> {
  const { kernel, strides, dilations, before, after } = windows;
  return { kernel_shape: kernel, strides, dilations, pads: [...before, ...after] };
}

/** The adjoint of a Conv by `w`, in the sizes that its input has. */
export function convolveBack(
  dy: Wire,
  w: Wire,
  windows: Windows,
  { group, shape }: { readonly group: number; readonly shape: readonly Extent[] },
): Wire {
  const { strides, before, after } = windows;
  const spatial = shape.slice(2);
  const left = spatial.map((dim, i) => {
    const count = dy.shape[i + 2]!;
    if (strides[i] === 1) return 0;
    if (typeof dim !== "number" || typeof count !== "number") return undefined;
    return dim + before[i]! + after[i]! - (count - 1) * strides[i]! - reachOf(windows, i);
  });
  const padding = left.map((n, i) => n ?? strides[i]! - 1);
  const sizes = spatial.map((dim, i) => (left[i] === undefined ? null : dim));
  const dx = dy.grower.one("ConvTranspose", [dy, w], {
    attributes: { ...attributesOf(windows), group, output_padding: padding },
    types: [{ dtype: dy.dtype, shape: [...shape.slice(0, 2), ...sizes] }],
  });
  return spatial.reduce<Wire>((part, dim, i) => {
    return left[i] === undefined ? part.slice(i + 2, 0, dim) : part;
  }, dx);
}

/** What every place of the window sees, first axis slowest; undefined where sizes are too little known. */
export function tapsOf(x: Wire, windows: Windows): Wire[] | undefined {
  const { kernel, strides, dilations, before, after } = windows;
  const spatial = x.shape.slice(2);
  const counts = spatial.map((dim, i) => countOf(dim, windows, i));
  const steps = strides.some((stride) => stride !== 1);
  if (steps && !isStatic(counts)) return undefined;
  const padded = spatial.reduce<Wire>((part, _, i) => {
    return widen(part, i + 2, before[i]!, after[i]!);
  }, x);
  return placesOf(kernel).map((place) => {
    const starts = place.map((at, i) => at * dilations[i]!);
    if (!steps) {
      const margin = (i: number) => [starts[i]!, reachOf(windows, i) - 1 - starts[i]!] as const;
      const isWhole = (_: number, i: number) => String(margin(i)) === String([before[i], after[i]]);
      if (place.every(isWhole)) return x;
      return crop(padded, new Map(place.map((_, i) => [i + 2, margin(i)])));
    }
    const { grower } = x;
    const ends = starts.map((start, i) => start + (Number(counts[i]) - 1) * strides[i]! + 1);
    const bounds = [starts, ends, place.map((_, i) => i + 2), strides];
    return grower.one("Slice", [padded, ...bounds.map((n) => grower.ints(n))], {
      types: [{ dtype: x.dtype, shape: [...x.shape.slice(0, 2), ...counts] }],
    });
  });
}

function placesOf([size, ...rest]: readonly number[]): number[][] {
  if (size === undefined) return [[]];
  const inner = placesOf(rest);
  return Array.from({ length: size }, (_, i) => inner.map((place) => [i, ...place])).flat();
}
