/** Operators that move elements without changing them. */
import type { Dim } from "../ir/types.ts";
import { addDims, divideDims, multiplyDims, productOf, ratioOf, subtractDims } from "./dims.ts";
import { axisOf, broadcast, mayEqual, type OpLiteral, ranked, refuse, unify } from "./op.ts";

export const shape: readonly OpLiteral[] = [
  {
    op: "Reshape",
    infer: ranked(([x, target], { attributes }) => {
      if (!x || !target?.ints) return null;
      const copies = attributes.int("allowzero") !== 1;
      const dims = target.ints.map((dim, i) => {
        if (dim !== 0 || !copies) return dim;
        return x.shape[i] ?? refuse("Reshape", [x], `there is no axis ${i} to copy with 0`);
      });
      const total = productOf(x.shape);
      const rest = dims.filter((dim) => dim !== -1);
      if (rest.length < dims.length - 1) refuse("Reshape", [x], "only one size may be -1");
      const whole = rest.length === dims.length;
      const ratio = ratioOf(total, productOf(rest)) ?? 1;
      if (whole ? ratio !== 1 : !Number.isInteger(ratio)) {
        refuse("Reshape", [x], `${total} elements do not fill [${target.ints.join(", ")}]`);
      }
      const left = divideDims(total, productOf(rest)) ?? null;
      return [{ dtype: x.dtype, shape: dims.map((dim) => (dim === -1 ? left : dim)) }];
    }),
  },
  {
    op: "Transpose",
    infer: ranked(([x], { attributes }) => {
      if (!x) return null;
      const order = attributes.ints("perm") ?? x.shape.map((_, i) => x.shape.length - 1 - i);
      if ([...order].sort((a, b) => a - b).join() !== x.shape.map((_, i) => i).join()) {
        refuse("Transpose", [x], `[${order.join(", ")}] is no order of its axes`);
      }
      return [{ dtype: x.dtype, shape: order.map((axis) => x.shape[axis]!) }];
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
  },
  {
    op: "Slice",
    infer: ranked(([x, starts, ends, axes, steps]) => {
      if (!x || !starts?.ints || !ends?.ints || (axes && !axes.ints)) return null;
      if (steps && !steps.ints?.every((step) => step === 1)) {
        const flips = steps.ints?.every((step) => step === -1);
        const whole = starts.ints.every((s) => s === -1) && ends.ints.every((e) => e === -endless);
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
  },
  {
    op: "Squeeze",
    infer: ranked(([x, axes]) => {
      if (!x || (axes && !axes.ints)) return null;
      const gone = axes?.ints?.map((axis) => axisOf("Squeeze", Number(axis), x));
      for (const axis of gone ?? []) {
        if (!mayEqual(x.shape[axis]!, 1)) refuse("Squeeze", [x], `axis ${axis} is not 1`);
      }
      const leaves = (dim: Dim, i: number) => (gone ? gone.includes(i) : dim === 1);
      return [{ dtype: x.dtype, shape: x.shape.filter((dim, i) => !leaves(dim, i)) }];
    }),
  },
  {
    op: "Unsqueeze",
    infer: ranked(([x, axes]) => {
      if (!x || !axes?.ints) return null;
      const count = axes.ints.length;
      const fresh = axes.ints.map((axis) => axisOf("Unsqueeze", Number(axis), x, count));
      const rest = [...x.shape];
      const rank = rest.length + count;
      const dims = Array.from({ length: rank }, (_, i) => (fresh.includes(i) ? 1 : rest.shift()!));
      return [{ dtype: x.dtype, shape: dims }];
    }),
  },
  {
    op: "Expand",
    infer: ranked(([x, target]) => {
      if (!x || !target?.ints) return null;
      return [{ dtype: x.dtype, shape: broadcast("Expand", [x, { ...x, shape: target.ints }]) }];
    }),
  },
  {
    op: "Tile",
    infer: ranked(([x, repeats]) => {
      if (!x || repeats?.ints?.length !== x.shape.length) return null;
      return [{ dtype: x.dtype, shape: x.shape.map((d, i) => multiplyDims(d, repeats.ints![i]!)) }];
    }),
  },
  {
    op: "Flatten",
    infer: ranked(([x], { attributes }) => {
      if (!x) return null;
      const at = attributes.int("axis") ?? 1;
      const axis = at < 0 ? at + x.shape.length : at;
      const dims = [productOf(x.shape.slice(0, axis)), productOf(x.shape.slice(axis))];
      return [{ dtype: x.dtype, shape: dims }];
    }),
  },
  {
    op: "Gather",
    infer: ranked(([x, indices], { attributes }) => {
      if (!x || !indices) return null;
      const axis = axisOf("Gather", attributes.int("axis") ?? 0, x);
      const dims = [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)];
      return [{ dtype: x.dtype, shape: dims }];
    }),
  },
  {
    op: "Shape",
    infer: ranked(([x], { attributes }) => {
      if (!x) return null;
      const part = x.shape.slice(attributes.int("start") ?? 0, attributes.int("end"));
      return [{ dtype: "int64", shape: [part.length] }];
    }),
  },
  { op: "Size", infer: () => [{ dtype: "int64", shape: [] }] },
  {
    op: "ConstantOfShape",
    infer: ({ inputs: [target], attributes }) => {
      if (!target?.ints) return null;
      return [{ dtype: attributes.tensorType("value") ?? "float32", shape: target.ints }];
    },
  },
  {
    op: "Range",
    infer: ({ inputs: [start, limit, delta] }) => {
      if (!start || !limit || delta?.ints?.[0] !== 1) return null;
      const [from, to] = [start.ints?.[0] ?? null, limit.ints?.[0] ?? null];
      return [{ dtype: start.dtype, shape: [subtractDims(to, from)] }];
    },
  },
];

function evenSizes(whole: Dim, parts: number): Dim[] {
  if (typeof whole !== "number") {
    return Array<Dim>(parts).fill(whole === null ? null : (divideDims(whole, parts) ?? null));
  }
  const size = Math.ceil(whole / parts);
  return Array.from({ length: parts }, (_, i) => Math.min(size, whole - i * size));
}

/** As the end of a slice: all that is there. */
export const endless = 2 ** 31 - 1;

/** Python's rule for a step of 1; bounds that are symbolic lie inside. */
function sliceSize(dim: Dim, start: Dim, end: Dim): Dim {
  const at = (bound: Dim): Dim => {
    if (typeof bound !== "number") return bound;
    if (typeof dim === "number") return Math.min(Math.max(bound < 0 ? bound + dim : bound, 0), dim);
    if (bound < 0) return addDims(dim, bound);
    return bound >= endless ? dim : bound;
  };
  const size = subtractDims(at(end), at(start));
  return typeof size === "number" ? Math.max(size, 0) : size;
}
