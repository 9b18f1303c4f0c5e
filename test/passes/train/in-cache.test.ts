import { expect, test } from "vitest";
import { keepInCache } from "../../../passes/train/in-cache.ts";
import { verify } from "../../../passes/verify.ts";
import type { TensorType } from "../../../src/ir/types.ts";
import type { Wire } from "../../../src/onnx-ops/wire.ts";
import { distance, type Numbers } from "../../lower/workbench.ts";
import { evaluate, growModel } from "./workbench.ts";

const shape = [4, 512, 384] as const;

type Named = (name: string) => Wire;

/** Outputs by name, of large `x` and `z` and a small `w`. */
const chains: Record<string, (wire: Named) => Record<string, Wire>> = {
  "one after the other": (wire) => ({
    y: wire("x").mul(3).add(wire("z")).sigmoid().mul(wire("x")),
  }),
  "results in the middle, and a reader on the side": (wire) => {
    const s = wire("x").mul(0.5).add(1).tanh();
    const bent = s.mul(wire("z")).sub(wire("x"));
    return { s, bent, sum: s.abs().sum() };
  },
  "broken by a product, which needs what comes before": (wire) => {
    const before = wire("x").mul(wire("z")).add(1).sigmoid().square();
    const after = before.matmul(wire("w")).mul(before).add(wire("x")).abs().sqrt();
    return { y: after };
  },
  "scaled by a number that they give themselves": (wire) => {
    const squares = wire("x").abs().add(1).sqrt().mul(wire("z"));
    return { y: squares.mul(squares.mean(undefined, false)).sub(squares) };
  },
};

const modelOf = (
  grow: (wire: Named) => Record<string, Wire>,
  batch: number | string = shape[0],
) => {
  const large: TensorType = { dtype: "float32", shape: [batch, ...shape.slice(1)] };
  return growModel({ x: large, z: large, w: { dtype: "float32", shape: [384, 384] } }, grow);
};

const numbers = (shape: readonly number[], scale: number): Numbers => {
  const count = shape.reduce((a, b) => a * b, 1);
  return { shape, data: Float32Array.from({ length: count }, (_, i) => scale * Math.sin(i * i)) };
};

const feeds = new Map([
  ["x", numbers(shape, 2)],
  ["z", numbers(shape, 3)],
  ["w", numbers([384, 384], 0.1)],
]);

test.each(Object.entries(chains))("rows give the same numbers: %s", async (_, grow) => {
  const whole = await evaluate(modelOf(grow), feeds);
  const model = modelOf(grow);
  const before = model.graph.nodes.length;
  keepInCache(model);
  verify(model);
  expect(model.graph.nodes.filter(({ op }) => op === "Scan").length).toBeGreaterThan(0);
  expect(model.graph.nodes.length).not.toBe(before);
  const rows = await evaluate(model, feeds);
  for (const [name, numbers] of whole) {
    expect(distance(rows.get(name)!, numbers), name).toBeLessThan(1e-6);
  }
});

test("what has no known size stays as it is", () => {
  const model = modelOf(chains["one after the other"]!, "batch");
  const before = model.graph.nodes.map(({ name }) => name);
  keepInCache(model);
  expect(model.graph.nodes.map(({ name }) => name)).toEqual(before);
});
