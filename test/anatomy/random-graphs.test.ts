/** Graphs that mean nothing: whatever a runtime loads can be looked into, in a time that its size explains. */
import { expect, test } from "vitest";
import { inferTypes } from "../../passes/infer-types.ts";
import { createOracle } from "../../runtime/index.ts";
import { anatomize } from "../../src/anatomy/index.ts";
import { inMemory } from "../../src/ir/bytes.ts";
import type { Model, Value } from "../../src/ir/graph.ts";
import type { DType } from "../../src/ir/types.ts";
import { blankModel, declareOutput } from "../../src/onnx-ops/blank-model.ts";
import { Patch } from "../../src/onnx-ops/patch.ts";
import { generator } from "./models.ts";

const size = 8;
const square = [1, size, size] as const;
const oracle = createOracle();

type Kind =
  | "sum"
  | "product"
  | "quotient"
  | "larger"
  | "matrix"
  | "turned"
  | "softmax"
  | "scored"
  | "gate"
  | "same"
  | "chosen"
  | "joined"
  | "linear";
type Way = (patch: Patch, pick: () => Value) => Value;

/** Operators that give a square of tokens and features for squares. */
const ways: Readonly<Record<Kind, Way>> = {
  sum: (patch, pick) => patch.one("Add", [pick(), pick()]),
  product: (patch, pick) => patch.one("Mul", [pick(), pick()]),
  quotient: (patch, pick) => patch.one("Div", [pick(), pick()]),
  larger: (patch, pick) => patch.one("Max", [pick(), pick()]),
  matrix: (patch, pick) => patch.one("MatMul", [pick(), pick()]),
  turned: (patch, pick) => patch.one("Transpose", [pick()], { attributes: { perm: [0, 2, 1] } }),
  softmax: (patch, pick) => patch.one("Softmax", [pick()], { attributes: { axis: -1 } }),
  scored: (patch, pick) => ways.softmax(patch, () => ways.matrix(patch, pick)),
  gate: (patch, pick) => patch.one("Sigmoid", [pick()]),
  same: (patch, pick) => patch.one("Identity", [pick()]),
  chosen: (patch, pick) => {
    return patch.one("Where", [stored(patch, "bool", [], Uint8Array.of(1)), pick(), pick()]);
  },
  joined: (patch, pick) => joined(patch, [pick(), pick()]),
  linear: (patch, pick) => patch.one("MatMul", [pick(), weight(patch)]),
};

function joined(patch: Patch, pieces: readonly Value[]): Value {
  const wide = patch.one("Concat", pieces, { attributes: { axis: 2 } });
  return patch.one("Slice", [wide, patch.ints([0]), patch.ints([size]), patch.ints([2])]);
}

function weight(patch: Patch): Value {
  const numbers = Float32Array.from({ length: size * size }, (_, i) => Math.sin(i + 1));
  return stored(patch, "float32", [size, size], new Uint8Array(numbers.buffer));
}

function stored(patch: Patch, dtype: DType, shape: readonly number[], bytes: Uint8Array): Value {
  return patch.weight(`w${patch.weights.size}`, dtype, shape, inMemory(bytes));
}

/** A graph of a square `x`; `grow` returns its output. */
function squares(grow: (patch: Patch, x: Value) => Value): Model {
  const type = { dtype: "float32", shape: square } as const;
  const producer = { name: "test", version: "0" };
  const inputs = { x: type };
  const model = blankModel({ path: "r.onnx", opset: 17, irVersion: 8, producer, inputs });
  const patch = new Patch(model.graph, null, "");
  const out = grow(patch, model.graph.inputs[0]!);
  patch.commit();
  declareOutput(model, out, "y", type);
  return model;
}

const mixes: readonly (readonly Kind[])[] = [
  ["sum", "product", "scored", "matrix", "linear"],
  ["chosen", "scored", "matrix", "sum", "turned"],
  ["joined", "softmax", "matrix", "same"],
  ["sum", "gate", "product", "quotient", "linear", "larger"],
  Object.keys(ways) as Kind[],
];

test.each(Array.from({ length: 60 }, (_, seed) => seed))("graph %i", async (seed) => {
  const random = generator(seed);
  const kinds = mixes[seed % mixes.length]!;
  const reach = [3, 8, 30][seed % 3]!;
  const model = squares((patch, x) => {
    const made = [x];
    const pick = () => made.at(-1 - Math.floor(random() * Math.min(reach, made.length)))!;
    for (let i = 0; i < 80; i++) {
      made.push(ways[kinds[Math.floor(random() * kinds.length)]!](patch, pick));
    }
    return made.at(-1)!;
  });
  await inferTypes(model, oracle);
  const { stacks } = anatomize(model);
  for (const { blocks } of stacks) expect(blocks.length).toBeGreaterThan(0);
});

/** As many ways from the softmax on as a layer is wide, to the power of layers. */
test("a fan of joins behind a softmax takes no time of its own", () => {
  const model = squares((patch, x) => {
    let layer = [ways.scored(patch, () => x)];
    for (let depth = 0; depth < 5; depth++) {
      layer = Array.from({ length: 60 }, () => joined(patch, layer));
    }
    return joined(patch, layer);
  });
  const begun = performance.now();
  anatomize(model);
  expect(performance.now() - begun).toBeLessThan(2000);
});
