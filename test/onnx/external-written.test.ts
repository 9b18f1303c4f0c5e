/** External data: where it goes. */
import { statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { inMemory } from "../../src/ir/bytes.ts";
import { readModel, writeModel } from "../../src/onnx/index.ts";
import { Patch } from "../../src/onnx-ops/patch.ts";
import {
  data,
  folderWith,
  graft,
  kb,
  locationsOf,
  pattern,
  stamp,
  three,
  weightsOf,
} from "./external-models.ts";
import { codesOf, digest, filesIn, freshFolder } from "./fixtures.ts";

describe("written", () => {
  const folderOf = (location = "model.onnx.data") =>
    folderWith(three(location), { [location]: data });

  test("without edits beside the input, a data file gets OUT's name", async () => {
    const folder = folderOf("weights.bin");
    await writeModel(await readModel(join(folder, "model.onnx")), join(folder, "out.onnx"));
    expect(Object.keys(filesIn(folder)).sort()).toEqual(
      ["model.onnx", "out.onnx", "out.onnx.data", "weights.bin"].sort(),
    );
    expect(filesIn(folder)["out.onnx.data"]).toBe(digest(data));
    expect(Object.values(locationsOf(join(folder, "out.onnx")))[1]).toBe("out.onnx.data@2048");
  });

  test("what left the model leaves the data file; new weights follow, aligned", async () => {
    const folder = folderOf();
    const model = await readModel(join(folder, "model.onnx"));
    const before = await weightsOf(join(folder, "model.onnx"));
    graft(model, "w1", pattern(3000, 77));
    await writeModel(model, join(folder, "out.onnx"));
    const { w1: _, ...kept } = before;
    const out = join(folder, "out.onnx");
    expect(await weightsOf(out)).toEqual({ ...kept, fresh: digest(pattern(3000, 77)) });
    expect(locationsOf(out)).toEqual({
      w0: "out.onnx.data@0",
      w2: "out.onnx.data@4096",
      fresh: "out.onnx.data@6144",
    });
    expect(filesIn(folder)["model.onnx.data"]).toBe(digest(data));
  });

  test("the data file shrinks where alignment lets it", async () => {
    const weights = three("w.bin").map((weight, i) => {
      const entries = i < 3 ? { location: "w.bin", offset: 64 + i * 3008, length: 2 * kb } : {};
      return { ...weight, entries };
    });
    const folder = folderWith(weights, { "w.bin": pattern(10 * kb) });
    const model = await readModel(join(folder, "model.onnx"));
    const before = await weightsOf(join(folder, "model.onnx"));
    graft(model, "w0", pattern(10));
    await writeModel(model, join(folder, "out.onnx"));
    const { w0: _, ...kept } = before;
    expect(await weightsOf(join(folder, "out.onnx"))).toEqual({
      ...kept,
      fresh: digest(pattern(10)),
    });
    expect(locationsOf(join(folder, "out.onnx"))).toEqual({
      w1: "out.onnx.data@0",
      w2: "out.onnx.data@2048",
    });
  });

  test("weights that inherit a stretch of the data file are stored once", async () => {
    const folder = folderOf();
    const model = await readModel(join(folder, "model.onnx"));
    const { graph } = model;
    const old = graph.values.get("w1")!;
    const { data: whole } = old.initializer!;
    if (whole.kind !== "file") throw new Error("not in a file");
    const patch = new Patch(graph, stamp, "new");
    const same = patch.weight("same", "uint8", [2 * kb], whole);
    const half = patch.weight("half", "uint8", [kb], {
      ...whole,
      offset: whole.offset + kb,
      length: kb,
    });
    const node = [...old.uses][0]!.node;
    const sum = patch.one("Add", [patch.one("Mul", [node.inputs[0]!, same]), half]);
    patch.shunt(node.outputs[0]!, sum);
    patch.commit();
    expect(graph.values.has("w1")).toBe(false);
    await writeModel(model, join(folder, "out.onnx"));
    expect(filesIn(folder)["out.onnx.data"]).toBe(digest(data));
    expect(locationsOf(join(folder, "out.onnx"))).toMatchObject({
      same: "out.onnx.data@2048",
      half: "out.onnx.data@3072",
    });
  });

  test("equal new weights are stored once, small ones in the model file", async () => {
    const folder = folderOf();
    const model = await readModel(join(folder, "model.onnx"));
    const large = inMemory(pattern(1024, 3));
    const patch = new Patch(model.graph, stamp, "new");
    const [a, b, c] = [large, large, inMemory(pattern(1023))].map((bytes, i) =>
      patch.weight(`n${i}`, "uint8", [i < 2 ? 1024 : 1023], bytes),
    );
    const x = model.graph.inputs[0]!;
    const sums = [a, b, c].map((weight) => patch.one("Add", [x, weight!]));
    const last = model.graph.outputs[0]!;
    patch.shunt(last, patch.one("Sum", [last, ...sums]));
    patch.commit();
    await writeModel(model, join(folder, "out.onnx"));
    const { n0, n1, n2 } = locationsOf(join(folder, "out.onnx"));
    expect([n0, n1, n2]).toEqual(["out.onnx.data@6144", "out.onnx.data@6144", undefined]);
    expect((await weightsOf(join(folder, "out.onnx"))).n2).toBe(digest(pattern(1023)));
  });

  test("with nothing left of the input's file, in a file of the usual name", async () => {
    const folder = folderOf();
    const model = await readModel(join(folder, "model.onnx"));
    for (const i of [0, 1, 2]) {
      const value = model.graph.values.get(`w${i}`)!;
      const data = inMemory(pattern(2 * kb, i));
      value.initializer = { ...value.initializer!, data, origin: null };
    }
    const out = freshFolder();
    for (const name of ["out.onnx", "model.onnx"]) {
      await writeModel(model, join(out, name));
      expect(locationsOf(join(out, name))).toEqual({
        w0: `${name}.data@0`,
        w1: `${name}.data@2048`,
        w2: `${name}.data@4096`,
      });
      expect(statSync(join(out, `${name}.data`)).size).toBe(6 * kb);
    }
    await writeModel(model, join(folder, "model.onnx"));
    expect(filesIn(folder)).toEqual({
      "model.onnx": filesIn(out)["model.onnx"],
      "model.onnx.data": filesIn(out)["model.onnx.data"],
    });
  });

  test("in place", async () => {
    const folder = folderOf();
    const path = join(folder, "model.onnx");
    const before = filesIn(folder);
    await writeModel(await readModel(path), path);
    expect(filesIn(folder)).toEqual(before);
    const weights = await weightsOf(path);
    const model = await readModel(path);
    graft(model, "w2", pattern(5000, 1));
    await writeModel(model, path);
    const { w2: _, ...kept } = weights;
    expect(await weightsOf(path)).toEqual({ ...kept, fresh: digest(pattern(5000, 1)) });
    expect(Object.keys(filesIn(folder)).sort()).toEqual(["model.onnx", "model.onnx.data"]);
  });

  test("never over the input's own data file", async () => {
    const folder = folderOf("out.onnx.data");
    const model = await readModel(join(folder, "model.onnx"));
    graft(model, "w1", pattern(3000));
    await writeModel(model, join(folder, "out.onnx"));
    expect(filesIn(folder)["out.onnx.data"]).toBe(digest(data));
    expect(locationsOf(join(folder, "out.onnx"))).toEqual({
      w0: "out.onnx.data@0",
      w2: "out.onnx.data@4096",
      fresh: "out.onnx.1.data@0",
    });
    const again = await readModel(join(folder, "model.onnx"));
    const codes = await codesOf(() => writeModel(again, join(folder, "out.onnx.data")));
    expect(codes).toEqual(["out-overwrites-input"]);
  });
});

describe("several data files", () => {
  const weights = [0, 1, 2].map((i) => ({
    name: `w${i}`,
    entries: { location: `${i > 0 ? "sub/" : ""}part${i}.bin` },
    dims: [2 * kb],
  }));
  const parts = {
    "part0.bin": pattern(2 * kb, 1),
    "sub/part1.bin": pattern(2 * kb, 2),
    "sub/part2.bin": pattern(4 * kb, 3),
  };
  const folderOf = () => folderWith(weights, parts);

  test("keep their relative names in another folder", async () => {
    const folder = folderOf();
    const out = freshFolder();
    const model = await readModel(join(folder, "model.onnx"));
    const { files } = await writeModel(model, join(out, "out.onnx"));
    const { "model.onnx": bytes, ...rest } = filesIn(folder);
    expect(filesIn(out)).toEqual({ ...rest, "out.onnx": bytes });
    expect(files.map((file) => file.slice(out.length + 1)).sort()).toEqual(
      Object.keys(filesIn(out)).sort(),
    );
  });

  test("leave those of another model in the same folder alone", async () => {
    const out = freshFolder();
    const write = async (seed: number, name: string) => {
      const data = { ...parts, "sub/part1.bin": pattern(2 * kb, seed) };
      await writeModel(await readModel(join(folderWith(weights, data), "model.onnx")), name);
    };
    const [a, b] = ["a.onnx", "b.onnx"].map((name) => join(out, name));
    await write(2, a!);
    const first = filesIn(out);
    const before = await weightsOf(a!);
    await write(7, b!);
    expect(filesIn(out)).toMatchObject(first);
    expect(await weightsOf(a!)).toEqual(before);
    expect((await weightsOf(b!)).w1).toBe(digest(pattern(2 * kb, 7)));
    expect(Object.values(locationsOf(b!))[1]).toBe("sub/b.onnx.part1.bin@undefined");

    const all = filesIn(out);
    await write(7, b!);
    expect(filesIn(out)).toEqual(all);
    await write(9, a!);
    expect(Object.keys(filesIn(out))).toEqual(Object.keys(all));
    expect((await weightsOf(a!)).w1).toBe(digest(pattern(2 * kb, 9)));
    expect((await weightsOf(b!)).w1).toBe(digest(pattern(2 * kb, 7)));
  });

  test("lose what left the model, and a whole file with it", async () => {
    const model = await readModel(join(folderOf(), "model.onnx"));
    graft(model, "w1", pattern(3000));
    const out = freshFolder();
    await writeModel(model, join(out, "out.onnx"));
    expect(Object.keys(filesIn(out)).sort()).toEqual(
      ["out.onnx", "out.onnx.data", "part0.bin", "sub/part2.bin"].sort(),
    );
    expect(filesIn(out)["out.onnx.data"]).toBe(digest(pattern(3000)));
  });

  test("are shared, never rewritten, in the input's own folder", async () => {
    const folder = folderOf();
    const before = filesIn(folder);
    const model = await readModel(join(folder, "model.onnx"));
    graft(model, "w1", pattern(3000));
    await writeModel(model, join(folder, "out.onnx"));
    const { "out.onnx": _, "out.onnx.data": fresh, ...rest } = filesIn(folder);
    expect(rest).toEqual(before);
    expect(fresh).toBe(digest(pattern(3000)));
    expect(locationsOf(join(folder, "out.onnx"))).toEqual({
      w0: "part0.bin@undefined",
      w2: "sub/part2.bin@undefined",
      fresh: "out.onnx.data@0",
    });
  });
});
