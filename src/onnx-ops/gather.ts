/** Operators that take elements from places that a tensor says, or put them there. */
import { scatterAdd, scatterBack } from "./adjoints.ts";
import { type Extent, productOf } from "./dims.ts";
import { axisOf, likeFirst, type OpLiteral, ranked } from "./op.ts";
import { type UnaryVjpRequest, type Vjp, vjp } from "./vjp.ts";
import type { Wire } from "./wire.ts";

export const gather: readonly OpLiteral[] = [
  {
    op: "Gather",
    infer: ranked(([x, indices], { attributes }) => {
      if (!x || !indices) return null;
      const axis = axisOf("Gather", attributes.int("axis") ?? 0, x);
      const dims = [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)];
      return [{ dtype: x.dtype, shape: dims }];
    }),
    vjp: vjp(({ dy, x: [x, indices], attributes }) => {
      const axis = axisOf("Gather", attributes.int("axis") ?? 0, x!);
      const place = onlyPlace(indices!, x!.shape[axis]!);
      if (place !== undefined) {
        const gradient = indices!.rank === 0 ? dy.unsqueeze([axis]) : dy;
        return [{ axis, start: place, end: place + 1, gradient }];
      }
      const [before, after] = [x!.shape.slice(0, axis), x!.shape.slice(axis + 1)];
      const count = productOf(indices!.shape) as Extent;
      const rows = dy.reshape([...before, count, ...after]);
      const column = indices!.reshape([count, ...after.map(() => 1)]);
      return [scatterAdd(x!, column.expand(rows.shape), rows, axis)];
    }),
  },
  {
    op: "GatherElements",
    infer: ranked(([x, indices]) => [{ dtype: x!.dtype, shape: indices!.shape }]),
    vjp: vjp(({ dy, x: [x, indices], attributes }) => {
      return [scatterAdd(x!, indices!, dy, attributes.int("axis") ?? 0)];
    }),
  },
  {
    op: "GatherND",
    infer: ranked(([x, indices], { attributes }) => {
      const last = indices!.shape.at(-1);
      if (typeof last !== "number") return null;
      const rest = x!.shape.slice((attributes.int("batch_dims") ?? 0) + last);
      return [{ dtype: x!.dtype, shape: [...indices!.shape.slice(0, -1), ...rest] }];
    }),
    vjp: vjp(({ dy, x: [x, indices], attributes }) => {
      const batch = attributes.int("batch_dims") ?? 0;
      return [scatterBack(x!, dy, "GatherND", [indices!], { batch_dims: batch })];
    }),
  },
  {
    op: "ScatterElements",
    infer: likeFirst,
    vjp: vjp((request) => {
      const { attributes, grower } = request;
      const axis = attributes.int("axis") ?? 0;
      return scattered(request, {
        take: (dy, indices) =>
          grower.one("GatherElements", [dy, indices], { attributes: { axis } }),
        put: (dy, indices, updates) =>
          grower.one("ScatterElements", [dy, indices, updates], { attributes: { axis } }),
      });
    }),
  },
  {
    op: "ScatterND",
    infer: likeFirst,
    vjp: vjp((request) => {
      const { grower } = request;
      return scattered(request, {
        take: (dy, indices) => grower.one("GatherND", [dy, indices]),
        put: (dy, indices, updates) => grower.one("ScatterND", [dy, indices, updates]),
      });
    }),
  },
];

interface Places {
  take(dy: Wire, indices: Wire): Wire;
  put(dy: Wire, indices: Wire, updates: Wire): Wire;
}

/** What is overwritten gets nothing; what is written, or added, gets what flows into its place. */
function scattered(
  { dy, x: [, indices, updates], attributes, grower, refuse }: UnaryVjpRequest,
  { take, put }: Places,
): ReturnType<Vjp> {
  const reduction = attributes.string("reduction") ?? "none";
  if (reduction !== "none" && reduction !== "add") refuse(`it has none with \`${reduction}\``);
  const zeros = () => grower.zeros(updates!.dtype, updates!.shape);
  return [reduction === "add" ? dy : put(dy, indices!, zeros()), null, take(dy, indices!)];
}

/** Where one element is taken whose place is known. */
function onlyPlace(indices: Wire, dim: Extent): number | undefined {
  const [place, ...more] = indices.ints ?? [];
  if (typeof place !== "number" || more.length > 0 || indices.rank > 1) return undefined;
  if (place >= 0) return place;
  return typeof dim === "number" ? place + dim : undefined;
}
