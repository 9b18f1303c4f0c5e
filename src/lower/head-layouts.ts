/** How the host lays out queries and keys where its rotation begins and ends. */
import type { HeadLayout } from "../anatomy/anatomy.ts";
import type { Value } from "../ir/graph.ts";
import { multiplyDims } from "../onnx-ops/dims.ts";
import { permute, reshape } from "./movement.ts";
import type { Ground } from "./placement.ts";
import type { Extent, Tensor } from "./values.ts";

/**
 * The axes of [B, heads, N, d] in their order, the last three of one sample alone; "joined":
 * [B, N, heads * d], "folded": [B * heads, N, d].
 */
export type Axes = readonly number[] | "joined" | "folded";

export interface Sizes {
  readonly batch: Extent;
  readonly heads: number;
  readonly tokens: Extent;
  readonly features: number;
}

const named: Readonly<Record<HeadLayout, Axes>> = {
  "B,H,N,d": [0, 1, 2, 3],
  "B,H,d,N": [0, 1, 3, 2],
  "B,N,H,d": [0, 2, 1, 3],
  "B,N,HD": "joined",
  "BH,N,d": "folded",
};

/**
 * The layout of a value of the host. The shape decides where it contradicts what anatomy says.
 */
export function layoutOf(value: Value, said: HeadLayout, sizes: Sizes): Axes {
  const { batch, heads, tokens, features } = sizes;
  const wanted = [batch, heads, tokens, features];
  const shape = value.type?.shape;
  const axes = named[said];
  const fits = (order: Axes) => String(shape) === String(shapeIn(order, wanted));
  if (shape?.length === 3) {
    if (axes === "folded") return axes;
    const own = typeof axes === "string" ? [] : [axes.filter((axis) => axis > 0)];
    return ["joined" as const, ...own, ...ordersOfOne].find(fits) ?? "joined";
  }
  if (shape?.length !== 4 || fits(axes)) return axes;
  return orders.find(fits) ?? axes;
}

const orders: readonly (readonly number[])[] = permutations([0, 1, 2, 3]);
const ordersOfOne: readonly (readonly number[])[] = permutations([1, 2, 3]);

/** All four axes, where a sample alone has three. */
function withSamples(order: readonly number[]): readonly number[] {
  return order.includes(0) ? order : [0, ...order];
}

function permutations(items: readonly number[]): number[][] {
  if (items.length === 0) return [[]];
  return items.flatMap((item) =>
    permutations(items.filter((other) => other !== item)).map((rest) => [item, ...rest]),
  );
}

/** The shape that [B, heads, N, d] has in a layout. */
export function shapeIn(layout: Axes, shape: readonly Extent[]): readonly Extent[] {
  if (typeof layout !== "string") return layout.map((axis) => shape[axis]!);
  const [b, h, n, d] = shape as [Extent, Extent, Extent, Extent];
  if (layout === "folded") return [multiplyDims(b, h) as Extent, n, d];
  return [b, n, multiplyDims(h, d) as Extent];
}

export function toLayout(ground: Ground, x: Tensor, layout: Axes): Tensor {
  if (typeof layout !== "string") {
    const turned = permute(ground, x, withSamples(layout));
    return layout.includes(0) ? turned : reshape(ground, turned, shapeIn(layout, x.shape));
  }
  if (layout === "folded") return reshape(ground, x, shapeIn(layout, x.shape));
  return reshape(ground, permute(ground, x, [0, 2, 1, 3]), shapeIn(layout, x.shape));
}

/** @param shape [B, heads, N, d]. */
export function fromLayout(
  ground: Ground,
  x: Tensor,
  layout: Axes,
  shape: readonly Extent[],
): Tensor {
  if (layout === "folded") return reshape(ground, x, shape);
  if (layout !== "joined") {
    const axes = withSamples(layout);
    const whole = layout.includes(0) ? x : reshape(ground, x, shapeIn(axes, shape));
    const order = [0, 1, 2, 3].map((axis) => axes.indexOf(axis));
    return permute(ground, whole, order);
  }
  const [b, h, n, d] = shape as [Extent, Extent, Extent, Extent];
  return permute(ground, reshape(ground, x, [b, n, h, d]), [0, 2, 1, 3]);
}
