/** Operators that move elements without changing them. */
import type { Dim } from "../ir/types.ts";
import { crop, numbersOf, scatterBack } from "./adjoints.ts";
import { addDims, divideDims, type Extent, multiplyDims } from "./dims.ts";
import {
  axisOf,
  likeFirst,
  mayEqual,
  normalAxis,
  type OpLiteral,
  ranked,
  refuse,
  unify,
} from "./op.ts";
import { vjp } from "./vjp.ts";

export const movement: readonly OpLiteral[] = [
  {
    op: "Transpose",
    infer: ranked(([x], { attributes }) => {
      if (!x) return null;
      const order = attributes.ints("perm") ?? reversed(x.shape);
      if ([...order].sort((a, b) => a - b).join() !== x.shape.map((_, i) => i).join()) {
        refuse("Transpose", [x], `[${order.join(", ")}] is no order of its axes`);
      }
      return [{ dtype: x.dtype, shape: order.map((axis) => x.shape[axis]!) }];
    }),
    vjp: vjp(({ dy, x: [x], attributes }) => {
      const order = attributes.ints("perm") ?? reversed(x!.shape);
      return [dy.transpose(order.map((_, axis) => order.indexOf(axis)))];
    }),
  },
  {
    op: "Concat",
    infer: ranked((inputs, { attributes }) => {
      const [first] = inputs;
      if (!first) return null;
      const axis = axisOf("Concat", attributes.int("axis") ?? 0, first);
      const dims = inputs.reduce<readonly Dim[]>((dims, { shape }, n) => {
        if (shape.length !== first.shape.length) refuse("Concat", inputs, "the ranks differ");
        if (n === 0) return shape;
        return dims.map((dim, i) => {
          if (i === axis) return addDims(dim, shape[i]!);
          if (!mayEqual(dim, shape[i]!)) refuse("Concat", inputs, `axis ${i} differs`);
          return unify(dim, shape[i]!);
        });
      }, []);
      return [{ dtype: first.dtype, shape: dims }];
    }),
    vjp: vjp(({ dy, x, attributes, wants, grower }) => {
      const axis = axisOf("Concat", attributes.int("axis") ?? 0, dy);
      const sizes = x.map(({ shape }) => shape[axis]!);
      const wanted = x.filter((_, i) => wants(i)).length;
      if (wanted > 1) {
        const outputs = x.length;
        return grower.all("Split", [dy, grower.shape(sizes)], { attributes: { axis }, outputs });
      }
      const starts = sizes.map((_, i) => sizes.slice(0, i).reduce(addDims, 0) as Extent);
      return x.map((_, i) => {
        if (!wants(i)) return null;
        return dy.slice(axis, starts[i]!, addDims(starts[i]!, sizes[i]!) as Extent);
      });
    }),
  },
  {
    op: "Split",
    infer: ranked(([x, split], { attributes, outputs }) => {
      if (!x) return null;
      const axis = axisOf("Split", attributes.int("axis") ?? 0, x);
      const whole = x.shape[axis]!;
      const sizes = split?.ints ?? evenSizes(whole, outputs);
      if (!mayEqual(sizes.reduce<Dim>(addDims, 0), whole)) {
        refuse("Split", [x], `[${sizes.join(", ")}] do not add up to ${whole}`);
      }
      return sizes.map((size) => ({ dtype: x.dtype, shape: x.shape.with(axis, size) }));
    }),
    vjp: ({ dy, x: [x], y, attributes, grower }) => {
      const axis = axisOf("Split", attributes.int("axis") ?? 0, x!);
      const parts = y.map((part, i) => dy[i] ?? (part && grower.zeros(part.dtype, part.shape)));
      return [
        grower.concat(
          parts.filter((part) => part !== null),
          axis,
        ),
      ];
    },
  },
  {
    op: "Pad",
    infer: ranked(([x, pads, , axes]) => {
      if (!x || !pads?.ints || (axes && !axes.ints)) return null;
      const { ints } = pads;
      const half = ints.length / 2;
      const dims = [...x.shape];
      for (let i = 0; i < half; i++) {
        const axis = axisOf("Pad", Number(axes?.ints?.[i] ?? i), x);
        dims[axis] = addDims(dims[axis]!, addDims(ints[i]!, ints[i + half]!));
      }
      return [{ dtype: x.dtype, shape: dims }];
    }),
    vjp: vjp(({ dy, x: [x, pads, value, axes], attributes, grower }) => {
      const mode = attributes.string("mode") ?? "constant";
      if (mode !== "constant") return [scatterBack(x!, dy, "Pad", [pads!, null, axes!], { mode })];
      const margins = marginsOf(numbersOf(pads!.ints), axes && numbersOf(axes.ints), x!.rank);
      const dx = margins
        ? crop(dy, margins)
        : grower.one("Pad", [dy, pads!.neg(), null, axes!], { types: [x!.type] });
      return [dx, null, value && dy.sum(undefined, false).sub(dx.sum(undefined, false))];
    }),
  },
  {
    op: "Tile",
    infer: ranked(([x, repeats]) => {
      if (!x || repeats?.ints?.length !== x.shape.length) return null;
      return [{ dtype: x.dtype, shape: x.shape.map((d, i) => multiplyDims(d, repeats.ints![i]!)) }];
    }),
    vjp: vjp(({ dy, x: [x, repeats] }) => {
      const times = repeats!.ints as readonly Extent[] | undefined;
      if (!times) return [scatterBack(x!, dy, "Tile", [repeats!])];
      const apart = dy.reshape(x!.shape.flatMap((dim, i) => [times[i]!, dim]));
      return [
        apart
          .sum(
            x!.shape.flatMap((_, i) => (times[i] === 1 ? [] : [2 * i])),
            true,
          )
          .reshape(x!.shape),
      ];
    }),
  },
  {
    op: "Trilu",
    infer: likeFirst,
    vjp: vjp(({ dy, x: [, k], attributes, grower }) => {
      const upper = attributes.int("upper") ?? 1;
      return [grower.one("Trilu", k ? [dy, k] : [dy], { attributes: { upper } })];
    }),
  },
  {
    op: "DepthToSpace",
    infer: ranked(([x], { attributes }) => {
      const [b, c, h, w] = x!.shape as [Dim, Dim, Dim, Dim];
      const size = attributes.int("blocksize")!;
      const depth = divideDims(c, size * size) ?? null;
      return [{ dtype: x!.dtype, shape: [b, depth, multiplyDims(h, size), multiplyDims(w, size)] }];
    }),
    vjp: vjp(({ dy, x: [x], attributes, grower }) => {
      const blocksize = attributes.int("blocksize")!;
      if (attributes.string("mode") !== "CRD") {
        return [grower.one("SpaceToDepth", [dy], { attributes: { blocksize } })];
      }
      const [b, , h, w] = x!.shape as [Extent, Extent, Extent, Extent];
      const blocks = dy.reshape([b, dy.shape[1]!, h, blocksize, w, blocksize]);
      return [blocks.transpose([0, 1, 3, 5, 2, 4]).reshape(x!.shape)];
    }),
  },
  {
    op: "SpaceToDepth",
    infer: ranked(([x], { attributes }) => {
      const [b, c, ...grid] = x!.shape as [Dim, Dim, Dim, Dim];
      const size = attributes.int("blocksize")!;
      const cells = grid.map((dim) => divideDims(dim, size) ?? null);
      return [{ dtype: x!.dtype, shape: [b, multiplyDims(c, size * size), ...cells] }];
    }),
    vjp: vjp(({ dy, attributes, grower }) => {
      const blocksize = attributes.int("blocksize")!;
      return [grower.one("DepthToSpace", [dy], { attributes: { blocksize } })];
    }),
  },
];

const reversed = (shape: readonly Dim[]) => shape.map((_, i) => shape.length - 1 - i);

function evenSizes(whole: Dim, parts: number): Dim[] {
  if (typeof whole !== "number") {
    return Array<Dim>(parts).fill(whole === null ? null : (divideDims(whole, parts) ?? null));
  }
  const size = Math.ceil(whole / parts);
  return Array.from({ length: parts }, (_, i) => Math.min(size, whole - i * size));
}

/** What Pad puts in front of each axis and behind it; undefined where that is computed. */
function marginsOf(
  pads: readonly number[] | undefined,
  axes: readonly number[] | undefined | null,
  rank: number,
): Map<number, readonly [number, number]> | undefined {
  if (!pads || (pads.length !== 2 * rank && !axes)) return undefined;
  const half = pads.length / 2;
  const places = axes ?? Array.from({ length: half }, (_, i) => i);
  return new Map(
    places.map((axis, i) => [normalAxis(axis, rank), [pads[i]!, pads[i + half]!] as const]),
  );
}
