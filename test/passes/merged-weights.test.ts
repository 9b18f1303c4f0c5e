/** Files of weights for models that hold them in their own way: merged, tied, turned, reshaped. */
import { describe, expect, test } from "vitest";
import { slotsOf } from "../../passes/graph/state-dict.ts";
import { inMemory, materialize } from "../../src/ir/bytes.ts";
import type { Model, Value } from "../../src/ir/graph.ts";
import type { StoredTensor } from "../../src/onnx/index.ts";
import { decodeElements, encodeElements } from "../../src/onnx-ops/elements.ts";
import * as g from "../../src/presets/growth.ts";
import { grown, width } from "./block-tools.ts";
import { fileOf, load } from "./weight-files.ts";
import { fixture, read, recorded, run } from "./workbench.ts";

describe("weights that the model holds in its own way", () => {
  const random = (shape: number[], seed: number): StoredTensor => {
    const count = shape.reduce((a, b) => a * b, 1);
    const values = Float64Array.from({ length: count }, (_, i) => Math.sin(i * seed + 1));
    return { dtype: "float32", shape, data: inMemory(encodeElements("float32", values)) };
  };
  const valuesOf = (model: Model, name: string) => [
    ...decodeElements("float32", materialize(model.graph.values.get(name)!.initializer!.data)),
  ];

  /** A table that a head reads turned, and a product with a matrix of PyTorch's own layout. */
  async function tied(producer = "pytorch"): Promise<Model> {
    const model = await grown((root, x) => {
      const { patch } = root;
      const table = patch.weight("wte.weight", "float32", [5, width], random([5, width], 3).data);
      const values = decodeElements("float32", materialize(random([5, width], 3).data));
      const turned = Float64Array.from({ length: 5 * width }, (_, i) => {
        return values[(i % 5) * width + Math.floor(i / 5)]!;
      });
      const copy = inMemory(encodeElements("float32", turned));
      const head = patch.weight("val_7", "float32", [width, 5], copy);
      const proj = patch.weight(
        "c_proj.weight",
        "float32",
        [width, width],
        random([width, width], 5).data,
      );
      const row = patch.one("Gather", [table, patch.ints([2])]);
      const logits = patch.one("MatMul", [
        patch.one("MatMul", [patch.one("Add", [x, row]), proj]),
        head,
      ]);
      return patch.one("Add", [
        x,
        patch.one("ReduceMax", [logits], { attributes: { keepdims: 1 } }),
      ]);
    });
    return { ...model, producer: { name: producer, version: "" } };
  }

  test("a head that shares the table of embeddings follows it, and that is said", async () => {
    const model = await tied();
    const table = random([5, width], 11);
    const said = load(model, [fileOf(new Map([["wte.weight", table]]))]);
    expect(said.map(({ code }) => code)).toEqual(["weights-tied"]);
    const [rows, turned] = [valuesOf(model, "wte.weight"), valuesOf(model, "val_7")];
    expect(rows.map((_, i) => turned[(i % width) * 5 + Math.floor(i / width)])).toEqual(rows);
  });

  test.each([
    ["pytorch", false],
    ["graftc", true],
  ])("a matrix under PyTorch's own name, by %s", async (producer, isTurned) => {
    const model = await tied(producer);
    const given = random([width, width], 13);
    load(model, [fileOf(new Map([["c_proj.weight", given]]))]);
    const values = [...decodeElements("float32", materialize(given.data))];
    const turned = values.map((_, i) => values[(i % width) * width + Math.floor(i / width)]);
    expect(valuesOf(model, "c_proj.weight")).toEqual(isTurned ? turned : values);
  });

  test("axes of one that an exporter folded into a table", async () => {
    const model = await tied();
    const table = random([5, width], 11);
    const said = load(model, [
      fileOf(new Map([["wte.weight", { ...table, shape: [1, 5, width] }]])),
    ]);
    expect(said.map(({ code }) => code)).toEqual(["weights-tied"]);
    expect(valuesOf(model, "wte.weight")).toEqual([
      ...decodeElements("float32", materialize(table.data)),
    ]);
  });

  test("a matrix that two modules read turned has room for one", async () => {
    const model = await grown((root, x) => {
      const { patch } = root;
      const w = patch.weight("a.weight", "float32", [width, width], random([width, width], 3).data);
      const turned = patch.one("Transpose", [w], { attributes: { perm: [1, 0] } });
      const product = (path: string, y: Value) => g.op(g.at(root, path), "MatMul", [y, turned]);
      return product("b", product("a", x));
    });
    const file = fileOf(
      new Map([
        ["a.weight", random([width, width], 5)],
        ["b.weight", random([width, width], 7)],
      ]),
    );
    expect(() => load(model, [file])).toThrow("weights-contradict");
  });

  test("names of one initializer that differ get their own", async () => {
    const model = await read(fixture("dit-tiny-dynamo20"));
    const shared = new Map<Value, string[]>();
    for (const [name, { value }] of slotsOf(model, [])) {
      if (name !== value.name) shared.set(value, [...(shared.get(value) ?? []), name]);
    }
    const [value, names] = [...shared].find(([, all]) => all.length > 2)!;
    const shape = [...value.initializer!.shape];
    const tensors = new Map(names.map((name, i) => [name, random(shape, 3 + i)]));
    load(model, [fileOf(tensors)]);
    const stored = [...model.graph.initializers].map(({ initializer }) => {
      return Buffer.from(materialize(initializer!.data)).toString("hex");
    });
    for (const { data } of tensors.values()) {
      expect(stored).toContain(Buffer.from(materialize(data)).toString("hex"));
    }
    await run(model, recorded("dit-tiny-dynamo20").feeds);
    const kept = await read(fixture("dit-tiny-dynamo20"));
    const same = new Map(names.map((name) => [name, random(shape, 3)]));
    expect(load(kept, [fileOf(same)])).toEqual([]);
    expect(kept.graph.initializers.size).toBe(model.graph.initializers.size - names.length + 1);
  });
});
