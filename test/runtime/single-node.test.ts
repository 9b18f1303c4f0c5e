import { expect, test } from "vitest";
import { createOracle } from "../../runtime/index.ts";
import { inMemory } from "../../src/ir/bytes.ts";
import type { Initializer } from "../../src/ir/graph.ts";
import type { NodeSketch } from "../../src/ir/oracle.ts";
import { type DType, showType } from "../../src/ir/types.ts";
import { type AttributeInput, attributesOf } from "../../src/onnx-ops/attributes.ts";
import { decodeElements, encodeElements } from "../../src/onnx-ops/elements.ts";

const oracle = createOracle();

function sketch(
  opType: string,
  attributes: Record<string, AttributeInput> = {},
  { domain = "", outputs = 1 } = {},
): NodeSketch {
  const opsets = new Map([["", 17], ...(domain ? [[domain, 1] as const] : [])]);
  return { opType, domain, attributes: attributesOf(attributes), opsets, outputs };
}

function constant(dtype: DType, shape: readonly number[], values: readonly number[]): Initializer {
  const data = inMemory(encodeElements(dtype, values));
  return { dtype, shape, data, origin: null, metadata: new Map() };
}

test("types follow symbolic sizes", async () => {
  const x = { dtype: "float32", shape: ["B", "N", 64] } as const;
  const w = { dtype: "float32", shape: [64, 192] } as const;
  const [y] = await oracle.inferNode(sketch("MatMul"), [x, w]);
  expect(showType(y!)).toBe("float32[B, N, 192]");
});

test("a shape that is known now counts", async () => {
  const x = { dtype: "float16", shape: ["B", "2*N", 64] } as const;
  const shape = constant("int64", [4], [0, -1, 4, 32]);
  const [y] = await oracle.inferNode(sketch("Reshape"), [x, shape]);
  expect(showType(y!)).toBe("float16[B, N, 4, 32]");
});

test("inputs may be left out, and outputs may be several", async () => {
  const x = { dtype: "float32", shape: [6, "B"] } as const;
  const parts = await oracle.inferNode(sketch("Split", { axis: 0 }, { outputs: 3 }), [x, null]);
  expect(parts.map(showType)).toEqual(Array(3).fill("float32[2, B]"));
});

test("contrib operators too", async () => {
  const x = { dtype: "float32", shape: ["B", 8] } as const;
  const gelu = sketch("FastGelu", {}, { domain: "com.microsoft" });
  expect((await oracle.inferNode(gelu, [x])).map(showType)).toEqual(["float32[B, 8]"]);
});

test("what does not fit is refused in the runtime's words", async () => {
  const x = { dtype: "float32", shape: [2, 3] } as const;
  await expect(oracle.inferNode(sketch("MatMul"), [x, x])).rejects.toThrow(/Incompatible dim/);
  await expect(oracle.inferNode(sketch("Gelu"), [x])).rejects.toThrow(/Gelu/);
});

test("equal questions are asked once", async () => {
  const x = { dtype: "float32", shape: ["B", 8] } as const;
  const [a] = await oracle.inferNode(sketch("Relu"), [x]);
  const [b] = await oracle.inferNode(sketch("Relu"), [{ ...x }]);
  expect(b).toBe(a);
  const [other] = await oracle.inferNode(sketch("Relu"), [{ ...x, shape: ["B", 9] }]);
  expect(other!.shape).toEqual(["B", 9]);
});

test("constants are computed", async () => {
  const [start, limit, step] = [0, 10, 3].map((value) => constant("int64", [], [value]));
  const [range] = await oracle.evaluateNode(sketch("Range"), [start!, limit!, step!]);
  expect(range).toMatchObject({ dtype: "int64", shape: [4] });
  expect([...decodeElements("int64", (range!.data as { data: Uint8Array }).data)]).toEqual([
    0, 3, 6, 9,
  ]);
  const half = constant("float16", [2], [0.5, -2]);
  const [doubled] = await oracle.evaluateNode(sketch("Add"), [half, half]);
  expect(doubled!.dtype).toBe("float16");
  expect([...decodeElements("float16", (doubled!.data as { data: Uint8Array }).data)]).toEqual([
    1, -4,
  ]);
  const two = constant("float32", [2], [1, 2]);
  const three = constant("float32", [3], [1, 2, 3]);
  await expect(oracle.evaluateNode(sketch("Add"), [two, three])).rejects.toThrow(/dim/i);
});
