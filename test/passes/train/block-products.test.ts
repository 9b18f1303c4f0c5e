import { expect, test } from "vitest";
import { blockProducts } from "../../../passes/train/block-products.ts";
import type { TensorType } from "../../../src/ir/types.ts";
import type { Wire } from "../../../src/onnx-ops/wire.ts";
import { distance, type Numbers } from "../../lower/workbench.ts";
import { evaluate, growModel } from "./workbench.ts";

const [tokens, width, columns] = [256, 128, 160];

const products: Record<string, (wire: (name: string) => Wire) => Wire> = {
  "rows of three axes": (wire) => wire("x").matmul(wire("w")),
  "a matrix that lies transposed, scaled": (wire) => {
    return wire("x").matmul(wire("turned"), { transB: true, alpha: 0.5 });
  },
  "Gemm with a bias": (wire) => {
    const rows = wire("x").reshape([-1, width]);
    return wire("x").grower.one("Gemm", [rows, wire("w"), wire("b")]);
  },
};

const float32 = (...shape: TensorType["shape"] & object): TensorType => ({
  dtype: "float32",
  shape,
});

const modelOf = (batch: number | string, grow: (wire: (name: string) => Wire) => Wire) => {
  const inputs = {
    x: float32(batch, tokens, width),
    w: float32(width, columns),
    turned: float32(columns, width),
    b: float32(columns),
  };
  const model = growModel(inputs, (wire) => ({ y: grow(wire) }));
  return { ...model, opsets: new Map([...model.opsets, ["com.microsoft", 1] as const]) };
};

const numbers = (...shape: number[]): Numbers => {
  const count = shape.reduce((a, b) => a * b, 1);
  return { shape, data: Float32Array.from({ length: count }, (_, i) => Math.sin(i * i)) };
};

test.each(Object.entries(products))("blocks of rows give the same product: %s", async (_, grow) => {
  const feeds = new Map([
    ["x", numbers(3, tokens, width)],
    ["w", numbers(width, columns)],
    ["turned", numbers(columns, width)],
    ["b", numbers(columns)],
  ]);
  const whole = await evaluate(modelOf(3, grow), feeds);
  const model = modelOf(3, grow);
  blockProducts(model);
  const product = model.graph.nodes.find(({ opType }) => /MatMul|Gemm/.test(opType))!;
  expect(product.inputs[1]!.type!.shape).toHaveLength(4);
  const blocked = await evaluate(model, feeds);
  expect(distance(blocked.get("y")!, whole.get("y")!)).toBeLessThan(1e-6);
});

test("rows whose number is not known stay together", () => {
  const model = modelOf("batch", products["rows of three axes"]!);
  const before = model.graph.nodes.map(({ name }) => name);
  blockProducts(model);
  expect(model.graph.nodes.map(({ name }) => name)).toEqual(before);
});
