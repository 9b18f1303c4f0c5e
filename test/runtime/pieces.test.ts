import { mkdtempSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onnx } from "onnx-proto";
import { expect, test } from "vitest";
import { batchesTrial } from "../../runtime/infer/batches.ts";
import { unknownNodes } from "../../runtime/infer/leave-out.ts";
import { probe, Refusal } from "../../runtime/infer/probe.ts";
import { type Scene, sceneOf } from "../../runtime/infer/scene.ts";
import { type Sizes, symbolsIn, trialsFor, withCompounds } from "../../runtime/infer/symbols.ts";
import { staticSizes } from "../../runtime/infer/tell.ts";
import type { Model } from "../../src/ir/graph.ts";
import { readModel } from "../../src/onnx/index.ts";

const whole = Number.POSITIVE_INFINITY;
/** Refused, or by all sizes but few. */
const choosy = /^(wrong|no-kernel|unknown-operator|traced|one-size|channels)/;
const files = ["models", "forms", "streams", "shapes"].flatMap((folder) =>
  readdirSync(`test/fixtures/${folder}`)
    .filter((name) => name.endsWith(".onnx") && !choosy.test(name))
    .map((name) => `test/fixtures/${folder}/${name}`),
);

test.each(files)("%s in pieces is as in one", async (path) => {
  const scene = sceneIn(await readModel(path));
  const { sizes, measured } = await fitting(scene);
  for (const length of [7, 64]) {
    const pieces = await probe(scene, sizes, length);
    expect(Object.fromEntries(pieces)).toEqual(Object.fromEntries(measured));
  }
});

function sceneIn(model: Model): Scene {
  return sceneOf(model, model.graph, unknownNodes(model, model.graph));
}

/** The first sizes that the scene takes. */
async function fitting(scene: Scene) {
  const types = scene.inputs.map(({ type }) => type);
  const symbols = symbolsIn(types);
  const batches = batchesTrial(symbols);
  const usual = trialsFor(symbols, staticSizes(scene));
  for (const trial of batches ? [batches, ...usual] : usual) {
    const sizes: Sizes = withCompounds(trial[0], types);
    try {
      return { sizes, measured: await probe(scene, sizes, whole) };
    } catch (cause) {
      if (!(cause instanceof Refusal)) throw cause;
    }
  }
  throw new Error("no sizes fit");
}

const float = onnx.TensorProto.DataType.FLOAT;
const int64 = onnx.TensorProto.DataType.INT64;

/** Each pair differs in one thing that the size of its result follows from. */
test.each<[string, onnx.INodeProto[], [number[], number[]]]>([
  [
    "weights that are sizes",
    [node("Reshape", ["x", "tall"], "a"), node("Reshape", ["x", "wide"], "b")],
    [
      [6, 2],
      [3, 4],
    ],
  ],
  [
    "constants",
    [
      constant("one", [1]),
      constant("two", [2]),
      node("Slice", ["x", "zero", "one", "zero"], "a"),
      node("Slice", ["x", "zero", "two", "zero"], "b"),
    ],
    [
      [1, 6],
      [2, 6],
    ],
  ],
  [
    "attributes",
    [
      node("Concat", ["x", "x"], "a", [{ name: "axis", type: 2, i: 0 }]),
      node("Concat", ["x", "x"], "b", [{ name: "axis", type: 2, i: 1 }]),
    ],
    [
      [4, 6],
      [2, 12],
    ],
  ],
  [
    "shapes of other values",
    [
      node("Transpose", ["x"], "turned"),
      node("Shape", ["x"], "shape"),
      node("Shape", ["turned"], "other"),
      node("Expand", ["point", "shape"], "a"),
      node("Expand", ["point", "other"], "b"),
    ],
    [
      [2, 6],
      [6, 2],
    ],
  ],
  [
    "scales",
    [
      node("Resize", ["x", "", "twice"], "a"),
      node("Resize", ["x", "", "thrice"], "b"),
      node("Resize", ["x", "", "twice"], "c"),
    ],
    [
      [4, 12],
      [6, 18],
    ],
  ],
])("%s tell nodes apart", async (_, node, [a, b]) => {
  const scene = sceneIn(await modelOf(node));
  const measured = await probe(scene, new Map(), 1);
  expect([measured.get("a"), measured.get("b")]).toEqual([
    { dtype: "float32", shape: a },
    { dtype: "float32", shape: b },
  ]);
});

function node(
  opType: string,
  input: string[],
  output: string,
  attribute: onnx.IAttributeProto[] = [],
) {
  return { name: output, opType, input, output: [output], attribute };
}

function constant(output: string, numbers: number[]): onnx.INodeProto {
  const t = { dataType: int64, dims: [numbers.length], int64Data: numbers };
  return { opType: "Constant", output: [output], attribute: [{ name: "value", type: 4, t }] };
}

async function modelOf(node: onnx.INodeProto[]): Promise<Model> {
  const tensor = (elemType: number, sizes: number[]) => ({
    tensorType: { elemType, shape: { dim: sizes.map((dimValue) => ({ dimValue })) } },
  });
  const ints = (name: string, int64Data: number[]) => ({
    name,
    dataType: int64,
    dims: [int64Data.length],
    int64Data,
  });
  const reals = (name: string, floatData: number[]) => ({
    name,
    dataType: float,
    dims: [floatData.length],
    floatData,
  });
  const graph = {
    name: "g",
    input: [
      { name: "x", type: tensor(float, [2, 6]) },
      { name: "point", type: tensor(float, [1]) },
    ],
    output: [{ name: "a" }, { name: "b" }],
    node,
    initializer: [
      ints("tall", [6, 2]),
      ints("wide", [3, 4]),
      ints("zero", [0]),
      reals("twice", [2, 2]),
      reals("thrice", [3, 3]),
    ],
  };
  const path = join(mkdtempSync(join(tmpdir(), "graftc-")), "alike.onnx");
  const opsetImport = [{ domain: "", version: 18 }];
  writeFileSync(path, onnx.ModelProto.encode({ irVersion: 8, opsetImport, graph }).finish());
  return readModel(path);
}
