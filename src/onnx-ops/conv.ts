/** Convolutions. */
import type { Dim } from "../ir/types.ts";
import { flip } from "./adjoints.ts";
import { addDims, type Extent, multiplyDims, productOf } from "./dims.ts";
import { mayEqual, type OpLiteral, ranked, refuse } from "./op.ts";
import { vjp } from "./vjp.ts";
import {
  attributesOf,
  convolveBack,
  countOf,
  reachOf,
  tapsOf,
  type Windows,
  windowsOf,
} from "./windows.ts";
import type { Wire } from "./wire.ts";

export const conv: readonly OpLiteral[] = [
  {
    op: "Conv",
    infer: ranked(([x, w], { attributes }) => {
      if (!x || !w || x.shape.length < 3) return null;
      if (w.shape.length !== x.shape.length) refuse("Conv", [x, w], "the ranks have to be equal");
      const group = attributes.int("group") ?? 1;
      const [channels, perGroup] = [x.shape[1]!, w.shape[1]!];
      if (typeof perGroup === "number" && !mayEqual(channels, perGroup * group)) {
        refuse("Conv", [x, w], `${channels} channels are not ${perGroup} x ${group} groups`);
      }
      const windows = windowsOf(attributes, w.shape.slice(2), x.shape.slice(2));
      const size = (dim: Dim, i: number) => (windows ? countOf(dim, windows, i) : null);
      return [{ dtype: x.dtype, shape: [x.shape[0]!, w.shape[0]!, ...x.shape.slice(2).map(size)] }];
    }),
    vjp: vjp(({ dy, x: [x, w], attributes, refuse }) => {
      const windows = windowsOf(attributes, w!.shape.slice(2), x!.shape.slice(2));
      if (!windows) return refuse("its padding depends on sizes that are not known");
      const group = attributes.int("group") ?? 1;
      return [
        inputGradient(dy, w!, windows, { group, shape: x!.shape }),
        weightGradient(x!, dy, windows, { group, shape: w!.shape }),
        biasGradient(dy),
      ];
    }),
  },
  {
    op: "ConvTranspose",
    infer: ranked(([x, w], { attributes }) => {
      if (!x || !w || attributes.ints("output_shape")) return null;
      const windows = windowsOf(attributes, w.shape.slice(2), [null]);
      if (!windows) return null;
      const extra = attributes.ints("output_padding");
      const spatial = x.shape.slice(2).map((dim, i) => {
        const covered = multiplyDims(addDims(dim, -1), windows.strides[i]!);
        const pads = windows.before[i]! + windows.after[i]!;
        return addDims(covered, reachOf(windows, i) - pads + (extra?.[i] ?? 0));
      });
      const channels = multiplyDims(w.shape[1]!, attributes.int("group") ?? 1);
      return [{ dtype: x.dtype, shape: [x.shape[0]!, channels, ...spatial] }];
    }),
    vjp: vjp(({ dy, x: [x, w], attributes, grower, refuse }) => {
      const windows = windowsOf(attributes, w!.shape.slice(2), [null]);
      if (!windows || attributes.ints("output_shape")) return refuse("it sets its output's sizes");
      const extra = attributes.ints("output_padding") ?? [];
      if (extra.some((n, i) => n >= windows.strides[i]!)) {
        return refuse("it pads its output by more than a stride");
      }
      const group = attributes.int("group") ?? 1;
      const dx = grower.one("Conv", [dy, w!], {
        attributes: { ...attributesOf(windows), group },
        types: [x!.type],
      });
      return [dx, weightGradient(dy, x!, windows, { group, shape: w!.shape }), biasGradient(dy)];
    }),
  },
];

interface Target {
  readonly group: number;
  readonly shape: readonly Extent[];
}

/** Of a window of more places the gradient is one Conv, whose kernel is the batch. */
const mostTaps = 32;

/** Filters of one channel go backwards as a Conv by the turned kernel: half the time of the other. */
function inputGradient(dy: Wire, w: Wire, windows: Windows, { group, shape }: Target): Wire {
  const { strides, before, after, kernel } = windows;
  const turned = (pads: readonly number[]) => pads.map((n, i) => reachOf(windows, i) - 1 - n);
  const pads = { before: turned(before), after: turned(after) };
  const fits = [...pads.before, ...pads.after].every((n) => n >= 0);
  if (!isDepthwise(w.shape, group) || strides.some((stride) => stride !== 1) || !fits) {
    return convolveBack(dy, w, windows, { group, shape });
  }
  const axes = kernel.map((_, i) => i + 2);
  return dy.grower.one("Conv", [dy, flip(w, axes)], {
    attributes: { ...attributesOf({ ...windows, ...pads }), group },
    types: [{ dtype: dy.dtype, shape }],
  });
}

const isDepthwise = ([outputs, perGroup]: readonly Extent[], group: number) =>
  perGroup === 1 && outputs === group;

function biasGradient(dy: Wire): Wire {
  return dy.sum(
    dy.shape.flatMap((_, axis) => (axis === 1 ? [] : [axis])),
    false,
  );
}

/** Of a kernel [O, I / group, ...] that makes `dy` of `x`. */
function weightGradient(x: Wire, dy: Wire, windows: Windows, target: Target): Wire {
  const { grower } = x;
  const { group, shape } = target;
  const places = windows.kernel.reduce((a, b) => a * b, 1);
  const taps = places <= mostTaps ? tapsOf(x, windows) : undefined;
  if (!taps) return byBatch(x, dy, windows, target);
  if (isDepthwise(shape, group)) {
    const sums = taps.map((tap) => biasGradient(tap.mul(dy)).unsqueeze([1]));
    return grower.concat(sums, 1).reshape(shape);
  }
  const [outputs, inputs] = shape as [number, number];
  const [batch, , ...spatial] = dy.shape;
  const positions = productOf(spatial) as Extent;
  const seen = grower.concat(
    taps.map((tap) => tap.reshape([batch!, group * inputs, 1, positions])),
    2,
  );
  const rows = dy.reshape([batch!, group, outputs / group, positions]);
  const columns = seen.reshape([batch!, group, inputs * places, positions]);
  return rows.matmul(columns, { transB: true }).sum([0], false).reshape(shape);
}

/** The batch takes the place of the channels, and dy that of the kernel. */
function byBatch(x: Wire, dy: Wire, windows: Windows, { group, shape }: Target): Wire {
  const { grower, dtype } = x;
  const [batch, , ...spatial] = x.shape;
  const [outputs, inputs, ...kernel] = shape as [number, number, ...number[]];
  const rest = kernel.map((_, i) => i + 2);
  const groups = x.reshape([batch!, group, inputs, ...spatial]);
  const images = groups
    .transpose([2, 1, 0, ...rest.map((axis) => axis + 1)])
    .reshape([inputs, multiplyDims(group, batch!) as Extent, ...spatial]);
  const { strides, dilations, before, after } = windows;
  const found = grower.one("Conv", [images, dy.transpose([1, 0, ...rest])], {
    attributes: { strides: dilations, dilations: strides, pads: [...before, ...after], group },
    types: [{ dtype, shape: [inputs, outputs, ...kernel.map(() => null)] }],
  });
  const cut = kernel.reduce((part, size, i) => part.slice(i + 2, 0, size), found);
  return cut.transpose([1, 0, ...rest]);
}
