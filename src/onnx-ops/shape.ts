/** Operators that give the same elements in the same order another shape, and those that ask for sizes. */
import type { Dim } from "../ir/types.ts";
import { divideDims, productOf, ratioOf, subtractDims } from "./dims.ts";
import { axisOf, broadcast, mayEqual, type OpLiteral, ranked, refuse } from "./op.ts";
import { flat, type Vjp, vjp } from "./vjp.ts";

const reshapedBack: Vjp = vjp(({ dy, x: [x] }) => [dy.reshape(x!.shape)]);

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
    vjp: reshapedBack,
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
    vjp: reshapedBack,
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
    vjp: vjp(({ dy, x: [x, axes] }) => {
      return [axes?.ints ? dy.unsqueeze(axes.ints as number[]) : dy.reshape(x!.shape)];
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
    vjp: vjp(({ dy, x: [x, axes] }) => {
      return [axes?.ints ? dy.squeeze(axes.ints as number[]) : dy.reshape(x!.shape)];
    }),
  },
  {
    op: "Expand",
    infer: ranked(([x, target]) => {
      if (!x || !target?.ints) return null;
      return [{ dtype: x.dtype, shape: broadcast("Expand", [x, { ...x, shape: target.ints }]) }];
    }),
    vjp: vjp(({ dy }) => [dy]),
  },
  {
    op: "Shape",
    infer: ranked(([x], { attributes }) => {
      if (!x) return null;
      const part = x.shape.slice(attributes.int("start") ?? 0, attributes.int("end"));
      return [{ dtype: "int64", shape: [part.length] }];
    }),
    vjp: flat,
  },
  { op: "Size", infer: () => [{ dtype: "int64", shape: [] }], vjp: flat },
  {
    op: "ConstantOfShape",
    infer: ({ inputs: [target], attributes }) => {
      if (!target?.ints) return null;
      return [{ dtype: attributes.tensorType("value") ?? "float32", shape: target.ints }];
    },
    vjp: flat,
  },
  {
    op: "Range",
    infer: ({ inputs: [start, limit, delta] }) => {
      if (!start || !limit || delta?.ints?.[0] !== 1) return null;
      const [from, to] = [start.ints?.[0] ?? null, limit.ints?.[0] ?? null];
      return [{ dtype: start.dtype, shape: [subtractDims(to, from)] }];
    },
    vjp: vjp(({ dy, x: [start, , delta], y }) => {
      const steps = y.sub(start!).div(delta!);
      return [dy.sum([0], false), null, dy.mul(steps).sum([0], false)];
    }),
  },
];
