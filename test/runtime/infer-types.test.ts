import { readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { beforeAll, describe, expect, test } from "vitest";
import { createOracle } from "../../runtime/index.ts";
import type { Model } from "../../src/ir/graph.ts";
import { showType, type TensorType } from "../../src/ir/types.ts";
import { evaluateDim } from "../../src/measure/index.ts";
import { encodeProbe, readModel } from "../../src/onnx/index.ts";
import { Patch } from "../../src/onnx-ops/patch.ts";

const folder = "test/fixtures/models";
const models = readdirSync(folder).filter((name) => name.endsWith(".onnx"));
const oracle = createOracle();

beforeAll(() => {
  process.env.ORT_DISABLE_TELEMETRY = "1";
});

describe.each(models)("%s", (name) => {
  test("every value has a type, and no size is unknown", async () => {
    const model = await readModel(`${folder}/${name}`);
    const types = await oracle.inferTypes(model);
    const vague = [...model.graph.values.keys()].filter((value) => {
      const shape = types.get(value)?.shape;
      return !shape || shape.some((dim) => dim === null || /\?/.test(`${dim}`));
    });
    expect(vague).toEqual([]);
  });

  test("it agrees with what the file declares", async () => {
    const model = await readModel(`${folder}/${name}`);
    const types = await oracle.inferTypes(model);
    const symbols = new Set(model.graph.inputs.flatMap(({ type }) => type?.shape ?? []));
    let compared = 0;
    for (const value of model.graph.values.values()) {
      const { type } = value;
      if (!type?.shape) continue;
      const inferred = types.get(value.name)!;
      expect(inferred.dtype, value.name).toBe(type.dtype);
      // Exporters leave sizes open (null) or invent a name for them (`unk__3`).
      const said = type.shape.map((dim, axis) =>
        typeof dim === "number" || symbols.has(dim) ? dim : inferred.shape![axis],
      );
      expect(inferred.shape, value.name).toEqual(said);
      compared++;
    }
    expect(compared).toBeGreaterThan(0);
  });

  test("it agrees with the shapes of a run", async () => {
    const model = await readModel(`${folder}/${name}`);
    const types = await oracle.inferTypes(model);
    const actual = await runWithEverythingOut(model, 3);
    const expected = [...actual.keys()].map((value) => [value, atBatch(types.get(value)!, 3)]);
    expect([...actual]).toEqual(expected);
  });
});

function atBatch({ dtype, shape }: TensorType, batch: number): string {
  const sizeOf = (name: string) => (/^\w+$/.test(name) ? batch : undefined);
  return showType({ dtype, shape: shape!.map((dim) => evaluateDim(dim, sizeOf) ?? null) });
}

/** Types of every value as a run at this batch has them; weights included in the model. */
async function runWithEverythingOut(model: Model, batch: number): Promise<Map<string, string>> {
  const { graph } = model;
  const inputs = graph.inputs.filter((input) => !input.initializer);
  const outputs = graph.nodes.flatMap((node) => node.outputs.flatMap((value) => value?.name ?? []));
  const bytes = encodeProbe(model, {
    inputs: inputs.map(({ name, type }) => ({ name, type: type! })),
    outputs,
    keep: () => true,
  });
  const ort = createRequire(import.meta.url)("onnxruntime-node");
  const session = await ort.InferenceSession.create(bytes, {
    graphOptimizationLevel: "disabled",
    logSeverityLevel: 4,
  });
  const arrays: Record<string, new (n: number) => ArrayBufferView> = {
    float32: Float32Array,
    float16: Uint16Array,
    int64: BigInt64Array,
  };
  const feeds = inputs.map(({ name, type }) => {
    const dims = type!.shape!.map((dim) => evaluateDim(dim, () => batch)!);
    const count = dims.reduce((a, b) => a * b, 1);
    const data = new arrays[type!.dtype]!(count);
    return [name, { type: type!.dtype, dims, data, location: "cpu" }];
  });
  const results = await session.run(Object.fromEntries(feeds));
  return new Map(
    outputs.map((name) => [
      name,
      showType({ dtype: results[name].type, shape: results[name].dims }),
    ]),
  );
}

const shapes = "test/fixtures/shapes";

/** Types of some values of a model that is hard to infer, as text. */
async function typesIn(file: string, names: readonly string[]): Promise<string[]> {
  const types = await oracle.inferTypes(await readModel(`${shapes}/${file}.onnx`));
  return names.map((name) => showType(types.get(name) ?? null));
}

describe("sizes that only some numbers fit", () => {
  test("an image of whole patches", async () => {
    const types = await typesIn("image", ["/e/Conv_output_0", "/Transpose_output_0", "out"]);
    expect(types).toEqual([
      "float32[batch, 8, (height/2), (width/2)]",
      "float32[batch, (height/2)*(width/2), 8]",
      "float32[batch, 4, height, width]",
    ]);
  });

  test("a position table of 77 rows", async () => {
    const types = await typesIn("text", ["/b/a/Softmax_output_0", "out"]);
    expect(types).toEqual(["float32[batch, 2, seq, seq]", "float32[batch, seq, 20]"]);
  });

  test("a position table of 8 rows", async () => {
    const types = await typesIn("short-text", ["/b/a/Softmax_output_0", "out"]);
    expect(types).toEqual(["float32[batch, 2, seq, seq]", "float32[batch, seq, 20]"]);
  });

  test("two names for the batch, and two for the tokens", async () => {
    const types = await typesIn("text-two-names", ["/b/a/Softmax_output_0", "out"]);
    expect(types).toEqual(["float32[batch, 2, seq, seq]", "float32[batch, seq, 20]"]);
  });

  test("a name for what a table fixes", async () => {
    const types = await typesIn("one-size", ["/e/Conv_output_0", "/b/a/o/MatMul_output_0", "out"]);
    expect(types).toEqual([
      "float32[batch, 8, 4, 4]",
      "float32[batch, 17, 8]",
      "float32[batch, 8]",
    ]);
  });

  test("frames, which are no simple share of samples, are one size without a name", async () => {
    const types = await typesIn("audio", ["/e/Conv_output_0", "/b/a/Softmax_output_0"]);
    expect(types).toEqual(["float32[batch, 8, ?1]", "float32[batch, 2, ?1, ?1]"]);
  });

  test("names that are sums of names", async () => {
    const types = await typesIn("past", ["keys", "y"]);
    expect(types).toEqual([
      "float32[batch, 2, past_sequence + sequence, 4]",
      "float32[batch, 2, sequence, past_sequence + sequence]",
    ]);
  });
});

describe("what a runtime does not know", () => {
  test("an unknown operator hides what only it reaches, unless its output is declared", async () => {
    const types = await typesIn("unknown-operator", ["a", "b", "c", "d", "e", "f", "y"]);
    expect(types).toEqual([
      "float32[batch, 4]",
      "float32[batch, 6]",
      "float32[batch, 3]",
      "unknown type",
      "unknown type",
      "unknown type",
      "float32[batch, 5]",
    ]);
  });

  test("neither does an operator without a kernel for its type", async () => {
    expect(await typesIn("no-kernel", ["a", "b", "y"])).toEqual([
      "unknown type",
      "unknown type",
      "float64[batch, 4]",
    ]);
  });
});

test("control flow stays whole, and what a loop may change is unknown", async () => {
  expect(await typesIn("control-flow", ["c", "l", "ls", "y"])).toEqual([
    "float32[batch, 3]",
    "float32[...]",
    "float32[?, batch, 3]",
    "float32[...]",
  ]);
});

test("functions of the model", async () => {
  expect(await typesIn("function", ["a", "y"])).toEqual([
    "float32[batch, 7, 3]",
    "float32[batch, 7, 3]",
  ]);
});

test("bfloat16", async () => {
  expect(await typesIn("bfloat16", ["a", "b", "d", "y"])).toEqual([
    "bfloat16[batch, 5, 30]",
    "float32[batch, 5, 30]",
    "bfloat16[batch, 5, 30]",
    "bfloat16[batch, 5, 30]",
  ]);
});

test("scalars, unknown ranks, sizes that depend on data, inputs without names", async () => {
  const names = ["x", "rows", "total", "twice", "r", "r2", "nz", "first", "xx", "xx3"];
  expect(await typesIn("odd-ends", names)).toEqual([
    "float32[?1, 4]",
    "int64[]",
    "float32[]",
    "float32[]",
    "float32[...]",
    "float32[...]",
    "int64[2, ?]",
    "float32[...]",
    "float32[2*?1, 4]",
    "float32[2*?1 + 3, 4]",
  ]);
});

test("an element of a sequence is what the file says", async () => {
  expect(await typesIn("sequence", ["part", "y"])).toEqual([
    "float32[batch, 3]",
    "float32[batch, 5]",
  ]);
});

test("comparisons that infer nothing below opset 16", async () => {
  expect(await typesIn("or-equal", ["m", "y"])).toEqual(["bool[5, 5]", "float32[batch, 5, 5]"]);
});

test("a batch that the trace fixed", async () => {
  expect(await typesIn("traced", ["x", "c", "y"])).toEqual([
    "float32[batch, 4, 8]",
    "float32[2, 5, 8]",
    "float32[2, 5, 8]",
  ]);
});

test("after an edit a graph must fit the sizes that it fitted before", async () => {
  const model = await readModel(`${folder}/dit-tiny-dynamo20.onnx`);
  const softmax = model.graph.nodes.find(({ op }) => op === "Softmax")!.outputs[0]!;
  const stamp = { edit: "test:1", site: "blocks[0]", operator: "test" };
  expect((await oracle.inferTypes(model)).get(softmax.name)!.shape).toEqual(["batch", 4, 16, 16]);
  const patch = new Patch(model.graph, stamp, "blocks.0");
  // Right for a batch of 2 and no other.
  patch.shunt(softmax, patch.one("Reshape", [softmax, patch.ints([2, 4, 16, 16])]));
  patch.commit();
  await expect(oracle.inferTypes(model)).rejects.toThrow(/types-refused/);
});

test("inputs whose sizes become known tell those of what is made of them", async () => {
  const model = await readModel(`${folder}/dit-tiny-dynamo20.onnx`);
  const softmax = model.graph.nodes.find(({ op }) => op === "Softmax")!.outputs[0]!;
  await oracle.inferTypes(model);
  for (const value of model.graph.inputs) {
    const { dtype, shape } = value.type!;
    value.type = { dtype, shape: shape!.map((dim) => (dim === "batch" ? 3 : dim)) };
  }
  expect((await oracle.inferTypes(model)).get(softmax.name)!.shape).toEqual([3, 4, 16, 16]);
});

test.each([
  ["wrong-shape", /does not fit together: .*misfit.*Incompatible dimensions/],
  ["wrong-type", /does not fit together: .*bound to different types.*misfit/],
])("%s is refused in the runtime's words", async (file, words) => {
  const model = await readModel(`${shapes}/${file}.onnx`);
  await expect(oracle.inferTypes(model)).rejects.toThrow(words);
});
