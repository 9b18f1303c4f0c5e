import { describe, expect, test } from "vitest";
import { inferTypes } from "../../passes/infer-types.ts";
import { createOracle } from "../../runtime/index.ts";
import { Graph, type Model, Node, Value } from "../../src/ir/graph.ts";
import type { TensorType } from "../../src/ir/types.ts";
import { flops, nodeCount, parameters, uncounted } from "../../src/measure/index.ts";
import { readModel } from "../../src/onnx/index.ts";
import { type AttributeInput, attributesOf } from "../../src/onnx-ops/attributes.ts";

const folder = "test/fixtures/models";
const oracle = createOracle();

async function typed(name: string): Promise<Model> {
  const model = await readModel(`${folder}/${name}.onnx`);
  await inferTypes(model, oracle);
  return model;
}

/** What a DiT of 16 tokens, width 64, 6 blocks and patch 2 on 4 channels costs, by hand. */
const [N, D, blocks] = [16, 64, 6];
const linear = (rows: number, from: number, to: number) => 2 * rows * from * to;
const attention = linear(N, D, 3 * D) + 4 * N * N * D + linear(N, D, D);
const mlp = linear(N, D, 4 * D) + linear(N, 4 * D, D);
const ditTiny =
  linear(N, 4 * 2 * 2, D) +
  linear(1, 256, D) +
  linear(1, D, D) +
  blocks * (linear(1, D, 6 * D) + attention + mlp) +
  linear(1, D, 2 * D) +
  linear(N, D, 2 * 2 * 8);

test.each([
  "dit-tiny-dynamo20",
  "dit-tiny-dynamo20-sdpa",
  "dit-tiny-dynamo20-fp16",
  "dit-tiny-dynamo23-sdpa",
  "dit-tiny-ts17",
  "dit-tiny-ts17-slim",
  // Its batch is fixed at 2; the figure is that of one sample all the same.
  "dit-tiny-dynamo18-static",
])("%s: FLOPs are those of the architecture, however it is written", async (name) => {
  const model = await typed(name);
  expect(flops(model)).toBe(ditTiny);
  expect(uncounted(model)).toEqual([]);
});

test("FLOPs of some nodes", async () => {
  const model = await typed("dit-tiny-dynamo20");
  const gemms = model.graph.nodes.filter(({ op }) => op === "Gemm");
  expect(flops(model, gemms)).toBe(
    linear(1, 256, D) + linear(1, D, D) + blocks * linear(1, D, 6 * D) + linear(1, D, 2 * D),
  );
  expect(flops(model, [])).toBe(0);
});

test("parameters and nodes", async () => {
  const model = await typed("dit-tiny-dynamo20");
  const declared = [...model.graph.initializers].filter(
    ({ type }) => type!.dtype === "float32" && type!.shape!.length > 0,
  );
  const elements = declared.map(({ type }) => (type!.shape as number[]).reduce((a, b) => a * b, 1));
  expect(parameters(model)).toBe(elements.reduce((a, b) => a + b, 0));
  expect(nodeCount(model)).toBe(295);
});

/** One node alone, its types as given. */
function node(
  op: string,
  attributes: Record<string, AttributeInput>,
  inputs: readonly (readonly (number | string | null)[] | null)[],
  outputs: readonly (readonly number[])[],
): Model {
  const [domain, opType] = op.includes("::") ? op.split("::") : ["", op];
  const made = new Node({
    name: "n",
    opType: opType!,
    domain: domain!,
    attributes: attributesOf(attributes),
  });
  const value = (name: string, shape: TensorType["shape"]) =>
    new Value(name, { dtype: "float32", shape });
  made.inputs = inputs.map((shape, i) => shape && value(`i${i}`, shape));
  made.outputs = outputs.map((shape, i) => value(`o${i}`, shape));
  const graph = new Graph("g");
  graph.nodes = [made];
  graph.inputs = made.inputs.filter((input) => input !== null);
  graph.outputs = made.outputs.filter((output) => output !== null);
  return { graph, functions: new Map() } as unknown as Model;
}

describe("operators", () => {
  test.each([
    [
      "MatMul",
      {},
      [
        [1, 4, 16, 8],
        [1, 4, 8, 16],
      ],
      [[1, 4, 16, 16]],
      2 * 4 * 16 * 16 * 8,
    ],
    [
      "MatMul",
      {},
      [
        ["batch", 16, 8],
        [8, 5],
      ],
      [[1, 16, 5]],
      2 * 16 * 5 * 8,
    ],
    [
      "Gemm",
      { transB: 1 },
      [
        ["batch", 8],
        [5, 8],
      ],
      [[1, 5]],
      2 * 8 * 5,
    ],
    [
      "Gemm",
      { transA: 1 },
      [
        [8, 3],
        [8, 5],
      ],
      [[3, 5]],
      2 * 8 * 3 * 5,
    ],
    [
      "Conv",
      {},
      [
        [1, 4, 8, 8],
        [64, 4, 2, 2],
      ],
      [[1, 64, 4, 4]],
      2 * 64 * 16 * 16,
    ],
    [
      "Conv",
      { group: 64 },
      [
        [1, 64, 19],
        [64, 1, 4],
      ],
      [[1, 64, 16]],
      2 * 64 * 16 * 4,
    ],
    [
      "ConvTranspose",
      {},
      [
        [1, 8, 4],
        [8, 3, 2],
      ],
      [[1, 3, 8]],
      2 * 8 * 4 * 3 * 2,
    ],
    [
      "Einsum",
      { equation: "bnd, bmd -> bnm" },
      [
        [1, 6, 8],
        [1, 7, 8],
      ],
      [[1, 6, 7]],
      2 * 6 * 7 * 8,
    ],
    [
      "Einsum",
      { equation: "...ij,jk->...ik" },
      [
        [1, 2, 3, 4],
        [4, 5],
      ],
      [[1, 2, 3, 5]],
      2 * 120,
    ],
    ["Einsum", { equation: "nhwpqc->nchpwq" }, [[1, 4, 4, 2, 2, 3]], [[1, 3, 4, 2, 4, 2]], 0],
    [
      "Attention",
      {},
      [
        [1, 4, 16, 8],
        [1, 4, 7, 8],
        [1, 4, 7, 8],
      ],
      [[1, 4, 16, 8]],
      4 * 4 * 16 * 7 * 8,
    ],
    [
      "Attention",
      { q_num_heads: 4, kv_num_heads: 2 },
      [
        [1, 16, 32],
        [1, 7, 16],
        [1, 7, 16],
      ],
      [[1, 16, 32]],
      4 * 16 * 7 * 32,
    ],
    [
      "com.microsoft::Attention",
      { num_heads: 4 },
      [[1, 16, 32], [32, 96], [96]],
      [[1, 16, 32]],
      2 * 16 * 32 * 96 + 4 * 16 * 16 * 32,
    ],
    [
      "com.microsoft::MultiHeadAttention",
      { num_heads: 4 },
      [
        [1, 16, 32],
        [1, 7, 32],
        [1, 7, 32],
      ],
      [[1, 16, 32]],
      4 * 16 * 7 * 32,
    ],
    [
      "com.microsoft::MultiHeadAttention",
      { num_heads: 4 },
      [[1, 16, 4, 3, 8]],
      [[1, 16, 32]],
      4 * 16 * 16 * 32,
    ],
    [
      "com.microsoft::GroupQueryAttention",
      { num_heads: 4, kv_num_heads: 2 },
      [
        [1, 16, 32],
        [1, 16, 16],
        [1, 16, 16],
      ],
      [
        [1, 16, 32],
        [1, 2, 16, 8],
        [1, 2, 16, 8],
      ],
      4 * 16 * 16 * 32,
    ],
    [
      "com.microsoft::FusedMatMul",
      { transB: 1 },
      [
        [1, 4, 16, 8],
        [1, 4, 7, 8],
      ],
      [[1, 4, 16, 7]],
      2 * 4 * 16 * 7 * 8,
    ],
    ["Relu", {}, [[1, 16, 8]], [[1, 16, 8]], 0],
  ] as const)("%s %o", (op, attributes, inputs, outputs, expected) => {
    expect(flops(node(op, attributes, inputs, outputs))).toBe(expected);
  });

  test("symbolic sizes besides the batch count as 64", () => {
    const model = node(
      "MatMul",
      {},
      [
        ["batch", "seq", 8],
        [8, 5],
      ],
      [[1, 1, 5]],
    );
    model.graph.nodes[0]!.outputs[0]!.type = { dtype: "float32", shape: ["batch", "seq", 5] };
    expect(flops(model)).toBe(2 * 64 * 8 * 5);
    model.graph.nodes[0]!.outputs[0]!.type = { dtype: "float32", shape: ["batch", "2*seq + 1", 5] };
    expect(flops(model)).toBe(2 * 129 * 8 * 5);
  });

  test("what cannot be counted is named", () => {
    const model = node(
      "MatMul",
      {},
      [
        [1, null, 8],
        [8, 5],
      ],
      [[1, 16, 5]],
    );
    expect(flops(model)).toBe(0);
    expect(uncounted(model)).toEqual(model.graph.nodes);
  });
});
