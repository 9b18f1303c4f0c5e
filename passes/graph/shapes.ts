import type { Value } from "../../src/ir/graph.ts";

/** Whether two values certainly do not have different shapes: sizes known by name alone may agree. */
export function sameShape(a: Value, b: Value): boolean {
  const [x, y] = [a.type?.shape, b.type?.shape];
  return Boolean(
    x &&
      y &&
      x.length === y.length &&
      x.every(
        (dim, axis) => dim === y[axis] || (typeof dim !== "number" && typeof y[axis] !== "number"),
      ),
  );
}
