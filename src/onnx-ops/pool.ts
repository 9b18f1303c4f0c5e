/** Windows of which only the mean or the largest element is left. */
import type { Dim } from "../ir/types.ts";
import { scatterAdd } from "./adjoints.ts";
import { type Extent, productOf } from "./dims.ts";
import { type AttributeReader, type OpLiteral, type Ranked, ranked } from "./op.ts";
import { vjp } from "./vjp.ts";
import {
  attributesOf,
  convolveBack,
  countOf,
  reachOf,
  type Windows,
  windowsOf,
} from "./windows.ts";

export const pool: readonly OpLiteral[] = [
  {
    op: "AveragePool",
    infer: ranked(([x], { attributes }) => {
      const shape = x && pooled(x, attributes);
      return shape ? [{ dtype: x.dtype, shape }] : null;
    }),
    vjp: vjp(({ dy, x: [x], attributes, grower, refuse }) => {
      const windows = poolOf(x!.shape, attributes);
      if (!windows) return refuse("its windows depend on sizes that are not known");
      if (attributes.int("ceil_mode")) return refuse("it rounds the number of its windows up");
      const [batch, channels, ...spatial] = x!.shape;
      const planes = productOf([batch!, channels!]) as Extent;
      const flat = dy.reshape([planes, 1, ...dy.shape.slice(2)]);
      const ones = (shape: readonly Extent[]) => grower.scalar(dy.dtype, 1).expand(shape);
      const kernel = ones([1, 1, ...windows.kernel]);
      const padded = [...windows.before, ...windows.after].some((n) => n > 0);
      const counts =
        padded && !attributes.int("count_include_pad")
          ? grower.one("Conv", [ones([1, 1, ...spatial]), kernel], {
              attributes: attributesOf(windows),
              types: [{ dtype: dy.dtype, shape: [1, 1, ...dy.shape.slice(2)] }],
            })
          : windows.kernel.reduce((a, b) => a * b, 1);
      const shape = [planes, 1, ...spatial];
      return [
        convolveBack(flat.div(counts), kernel, windows, { group: 1, shape }).reshape(x!.shape),
      ];
    }),
  },
  {
    op: "MaxPool",
    infer: ranked(([x], { attributes, outputs }) => {
      const shape = x && pooled(x, attributes);
      if (!shape) return null;
      const found: { dtype: "int64"; shape: readonly Dim[] } = { dtype: "int64", shape };
      return [{ dtype: x.dtype, shape }, found].slice(0, outputs);
    }),
    vjp: ({ dy, x: [x], output, attributes, refuse }) => {
      if (!dy[0] || !x) return [];
      if (attributes.int("storage_order")) return refuse("it counts its places by columns");
      const flat = x.reshape([productOf(x.shape) as Extent]);
      const count = productOf(dy[0].shape) as Extent;
      const places = output(1).reshape([count]);
      return [scatterAdd(flat, places, dy[0].reshape([count]), 0).reshape(x.shape)];
    },
  },
  {
    op: "GlobalAveragePool",
    infer: ranked(([x]) => (x ? [{ dtype: x.dtype, shape: onePlace(x.shape) }] : null)),
    vjp: vjp(({ dy, x: [x], grower }) => {
      const count = productOf(x!.shape.slice(2)) as Extent;
      return [dy.div(typeof count === "number" ? count : grower.size(count).cast(dy.dtype))];
    }),
  },
];

const onePlace = ([batch, channels, ...spatial]: readonly Dim[]) =>
  [batch!, channels!, ...spatial.map(() => 1)] as const;

function poolOf(shape: readonly Dim[], attributes: AttributeReader): Windows | undefined {
  return windowsOf(attributes, attributes.ints("kernel_shape") ?? [], shape.slice(2));
}

function pooled(x: Ranked, attributes: AttributeReader): readonly Dim[] | null {
  const windows = poolOf(x.shape, attributes);
  if (!windows) return null;
  const up = attributes.int("ceil_mode") === 1;
  const spatial = x.shape.slice(2).map((dim, i) => {
    return up ? countUp(dim, windows, i) : countOf(dim, windows, i);
  });
  return [...x.shape.slice(0, 2), ...spatial];
}

/** With a last window that hangs over the end, unless it would see nothing but padding. */
function countUp(dim: Dim, windows: Windows, i: number): Dim {
  if (typeof dim !== "number") return null;
  const stride = windows.strides[i]!;
  const front = dim + windows.before[i]!;
  const last = Math.ceil((front + windows.after[i]! - reachOf(windows, i)) / stride);
  return last * stride >= front ? last : last + 1;
}
