/** External data: where it may be, and where it goes. */
import {
  chmodSync,
  cpSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { onnx } from "onnx-proto";
import { describe, expect, test } from "vitest";
import { inMemory } from "../../src/ir/bytes.ts";
import type { Model, Value } from "../../src/ir/graph.ts";
import { type External, readModel, tensorBytes, writeModel } from "../../src/onnx/index.ts";
import { Patch } from "../../src/onnx-ops/patch.ts";
import { codesOf, digest, filesIn, freshFolder } from "./fixtures.ts";

const stamp = { edit: "e.graft:1", site: "", operator: "" };

interface Entry {
  readonly name: string;
  readonly entries: Record<string, string | number>;
  readonly dims?: readonly number[];
  readonly inline?: Buffer;
}

/** A model whose weights w0, w1, ... are where `weights` say; each is added to x. */
function modelOf(weights: readonly Entry[]): Uint8Array {
  const tensorType = { elemType: 2, shape: { dim: [{ dimValue: 4 }] } };
  return onnx.ModelProto.encode({
    irVersion: 8,
    opsetImport: [{ domain: "", version: 17 }],
    graph: {
      name: "g",
      input: [{ name: "x", type: { tensorType } }],
      output: [{ name: `y${weights.length - 1}` }],
      node: weights.map(({ name }, i) => ({
        opType: "Add",
        name: `add${i}`,
        input: [i === 0 ? "x" : `y${i - 1}`, name],
        output: [`y${i}`],
      })),
      initializer: weights.map(({ name, entries, dims = [4], inline }) => ({
        name,
        dataType: 2,
        dims: [...dims],
        ...(inline ? { rawData: inline } : { dataLocation: 1 }),
        externalData: Object.entries(entries).map(([key, value]) => ({ key, value: `${value}` })),
      })),
    },
  }).finish();
}

const pattern = (length: number, seed = 0) =>
  Buffer.from(Uint8Array.from({ length }, (_, i) => (i * 7 + seed) & 255));

/** A folder with model.onnx of these weights, and data files. */
function folderWith(weights: readonly Entry[], data: Record<string, Buffer>): string {
  const folder = realpathSync(freshFolder());
  for (const [name, bytes] of Object.entries(data)) {
    mkdirSync(join(folder, name, ".."), { recursive: true });
    writeFileSync(join(folder, name), bytes);
  }
  writeFileSync(join(folder, "model.onnx"), modelOf(weights));
  return folder;
}

const at = (location: string, more: Record<string, string | number> = {}): Entry => {
  return { name: "w", entries: { location, ...more } };
};

describe("reading refuses data", () => {
  const refused: [string, Entry, string][] = [
    ["at an absolute path", at("/etc/passwd"), "external-absolute"],
    ["on a drive", at("C:\\secret"), "external-absolute"],
    ["outside of the folder", at("../w.data"), "external-outside"],
    ["outside by detours", at("sub/../../w.data"), "external-outside"],
    ["that is the folder itself", at("."), "external-outside"],
    ["that is missing", at("missing.data"), "external-missing"],
    ["below a file", at("w.data/x"), "external-missing"],
    ["that is a folder", at("sub"), "external-no-file"],
    ["that ends too early", at("w.data", { offset: 61 }), "external-short"],
    ["far beyond the file", at("w.data", { offset: "9007199254740000" }), "external-short"],
    ["of another length", at("w.data", { length: 5 }), "external-length"],
    ["at a negative offset", at("w.data", { offset: -1 }), "external-number"],
    ["at no number", at("w.data", { offset: "1e3" }), "external-number"],
    ["at a huge offset", at("w.data", { offset: "9".repeat(30) }), "external-number"],
    ["without a location", { name: "w", entries: { offset: 0 } }, "external-location"],
    ["with a zero in its name", at("w\0.data"), "external-location"],
    ["of an impossible shape", { ...at("w.data"), dims: [-1] }, "tensor-shape"],
    ["of an endless shape", { ...at("w.data"), dims: [2 ** 40, 2 ** 40] }, "tensor-shape"],
    ["larger than the file", { ...at("w.data"), dims: [2 ** 50] }, "external-short"],
  ];
  test.each(refused)("%s", async (_, weight, code) => {
    const folder = folderWith([weight], { "w.data": pattern(64), "sub/other": pattern(1) });
    expect(await codesOf(() => readModel(join(folder, "model.onnx")))).toEqual([code]);
  });

  test("behind a symbolic link that leaves the folder, saying so", async () => {
    const folder = folderWith([at("w.data")], {});
    const outside = freshFolder();
    writeFileSync(join(outside, "secret"), pattern(64));
    symlinkSync(join(outside, "secret"), join(folder, "w.data"));
    const error = await readModel(join(folder, "model.onnx")).catch((cause) => cause);
    expect(error.diagnostics[0].code).toBe("external-outside");
    expect(error.diagnostics[0].notes[0]).toContain(join(outside, "secret"));
  });

  test("in a folder that is a symbolic link to outside", async () => {
    const folder = folderWith([at("sub/w.data")], {});
    const outside = freshFolder();
    writeFileSync(join(outside, "w.data"), pattern(64));
    symlinkSync(outside, join(folder, "sub"));
    const codes = await codesOf(() => readModel(join(folder, "model.onnx")));
    expect(codes).toEqual(["external-outside"]);
  });

  test("behind links that go in circles, or nowhere", async () => {
    const folder = folderWith([at("w.data")], {});
    symlinkSync("w.data", join(folder, "w.data"));
    expect(await codesOf(() => readModel(join(folder, "model.onnx")))).toEqual(["file-unreadable"]);
    const other = folderWith([at("w.data")], {});
    symlinkSync("nowhere", join(other, "w.data"));
    expect(await codesOf(() => readModel(join(other, "model.onnx")))).toEqual(["external-missing"]);
  });

  test.skipIf(process.getuid?.() === 0)("that may not be read", async () => {
    const folder = folderWith([at("w.data")], { "w.data": pattern(64) });
    chmodSync(join(folder, "w.data"), 0);
    expect(await codesOf(() => readModel(join(folder, "model.onnx")))).toEqual(["file-unreadable"]);
  });
});

test("links inside of the folder are followed", async () => {
  const folder = folderWith([at("w.data")], { "blobs/abc": pattern(64) });
  symlinkSync("blobs/abc", join(folder, "w.data"));
  const { graph } = await readModel(join(folder, "model.onnx"));
  expect(digest(tensorBytes(graph.values.get("w")!.initializer!))).toBe(digest(pattern(4)));
});

test("a model can be looked at without its data", async () => {
  const folder = folderWith([at("missing.data")], {});
  const path = join(folder, "model.onnx");
  const model = await readModel(path, { requireData: false });
  const weight = model.graph.values.get("w")!.initializer!;
  expect(weight.shape).toEqual([4]);
  expect(await codesOf(() => tensorBytes(weight))).toEqual(["external-missing"]);
  const out = join(freshFolder(), "out.onnx");
  expect(await codesOf(() => writeModel(model, out))).toEqual(["external-missing"]);
});

test("a data file that changes after the model was read is noticed", async () => {
  const folder = folderWith([at("w.data")], { "w.data": pattern(64) });
  const { graph } = await readModel(join(folder, "model.onnx"));
  writeFileSync(join(folder, "new"), pattern(64, 1));
  renameSync(join(folder, "new"), join(folder, "w.data"));
  const weight = graph.values.get("w")!.initializer!;
  expect(await codesOf(() => tensorBytes(weight))).toEqual(["input-changed"]);
});

const kb = 1024;
/** Three weights of 2 KB behind each other, and one of 100 bytes that is inline. */
const three = (location: string): Entry[] => [
  ...[0, 1, 2].map((i) => ({
    name: `w${i}`,
    entries: { location, offset: i * 2 * kb, length: 2 * kb },
    dims: [2 * kb],
  })),
  { name: "small", entries: {}, dims: [100], inline: pattern(100, 9) },
];
const data = pattern(6 * kb, 5);

/** The weights of a written model by name, as bytes. */
async function weightsOf(path: string): Promise<Record<string, string>> {
  const { graph } = await readModel(path);
  return Object.fromEntries(
    [...graph.initializers].map((value) => [value.name, digest(tensorBytes(value.initializer!))]),
  );
}

function locationsOf(path: string): Record<string, string> {
  const { initializer } = onnx.ModelProto.decode(readFileSync(path)).graph!;
  return Object.fromEntries(
    initializer!.flatMap(({ name, externalData }) => {
      const entry = (key: string) => externalData!.find((each) => each.key === key)?.value;
      return externalData!.length > 0 ? [[name, `${entry("location")}@${entry("offset")}`]] : [];
    }),
  );
}

/** Drops `gone` from the model and adds one new weight of `bytes`, named `fresh`. */
function graft(model: Model, gone: string, bytes: Buffer): Value {
  const { graph } = model;
  const node = graph.nodes.find(({ inputs }) => inputs[1]?.name === gone)!;
  const patch = new Patch(graph, stamp, "new");
  const weight = patch.weight("fresh", "uint8", [bytes.length], inMemory(bytes));
  patch.shunt(node.outputs[0]!, patch.one("Mul", [node.inputs[0]!, weight]));
  patch.commit();
  return weight;
}

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

describe("--external", () => {
  const inlineModel = () =>
    folderWith(
      three("").map((weight, i) => ({
        ...weight,
        entries: {},
        inline: weight.inline ?? data.subarray(i * 2 * kb, (i + 1) * 2 * kb),
      })),
      {},
    );
  const write = async (folder: string, out: string, external: External) => {
    const model = await readModel(join(folder, "model.onnx"));
    return writeModel(model, out, { external });
  };

  test("file moves weights of 1 KB and more out, inline takes them back", async () => {
    const folder = inlineModel();
    const out = join(folder, "out.onnx");
    await write(folder, out, "file");
    expect(filesIn(folder)["out.onnx.data"]).toBe(digest(data));
    expect(Object.keys(locationsOf(out))).toEqual(["w0", "w1", "w2"]);
    const weights = await weightsOf(join(folder, "model.onnx"));
    expect(await weightsOf(out)).toEqual(weights);
    const back = join(folder, "back.onnx");
    await writeModel(await readModel(out), back, { external: "inline" });
    expect(locationsOf(back)).toEqual({});
    expect(await weightsOf(back)).toEqual(weights);
    expect(Object.keys(filesIn(folder)).includes("back.onnx.data")).toBe(false);
  });

  test("share refers to the input's file and writes only what is new", async () => {
    const folder = folderWith(three("w.bin"), { "w.bin": data });
    const before = filesIn(folder);
    const model = await readModel(join(folder, "model.onnx"));
    graft(model, "w1", pattern(3000));
    const second = model.graph.values.get("w2")!;
    const numbers = inMemory(pattern(2 * kb, 9));
    second.initializer = { ...second.initializer!, data: numbers, origin: null };
    const out = join(folder, "out.onnx");
    const { bytesWritten } = await writeModel(model, out, { external: "share" });
    expect(bytesWritten).toBeLessThan(7000);
    expect(locationsOf(out)).toEqual({
      w0: "w.bin@0",
      w2: "out.onnx.data@0",
      fresh: "out.onnx.data@2048",
    });
    expect(filesIn(folder)).toMatchObject(before);
    const elsewhere = join(freshFolder(), "out.onnx");
    const codes = await codesOf(() => writeModel(model, elsewhere, { external: "share" }));
    expect(codes).toEqual(["share-elsewhere"]);
  });

  test("share through a link to the folder is the same folder", async () => {
    const folder = folderWith(three("w.bin"), { "w.bin": data });
    const link = join(freshFolder(), "link");
    symlinkSync(folder, link);
    await write(folder, join(link, "out.onnx"), "share");
    expect(locationsOf(join(folder, "out.onnx")).w0).toBe("w.bin@0");
  });

  test("every way keeps every tensor of everything.onnx, unread ones included", async () => {
    const folder = freshFolder();
    cpSync("test/fixtures/onnx", folder, { recursive: true });
    const path = join(folder, "everything.onnx");
    const weights = await weightsOf(path);
    for (const external of ["inline", "file", "share", "auto"] as const) {
      const out = join(external === "share" ? folder : freshFolder(), `${external}.onnx`);
      await writeModel(await readModel(path), out, { external });
      expect(await weightsOf(out)).toEqual(weights);
      const { trainingInfo, graph } = onnx.ModelProto.decode(readFileSync(out));
      const trained = trainingInfo![0]!.initialization!.initializer![0]!;
      const far = graph!.sparseInitializer![1]!.values!;
      const inline = external === "inline";
      expect(trained.externalData!.length > 0).toBe(!inline);
      if (!inline) continue;
      const first = readFileSync(join(folder, "everything.data"));
      const second = readFileSync(join(folder, "weights/second.bin"));
      expect(digest(trained.rawData!)).toBe(digest(first.subarray(3072, 3088)));
      expect(digest(far.rawData!)).toBe(digest(second.subarray(128, 136)));
    }
  });
});

test("a model that is renamed as a whole keeps its bytes", async () => {
  const folder = folderWith(three("w.bin"), { "w.bin": data });
  const out = freshFolder();
  await writeModel(await readModel(join(folder, "model.onnx")), join(out, "model.onnx"));
  expect(filesIn(out)).toEqual(filesIn(folder));
  expect(basename(folder)).not.toBe(basename(out));
});

test("a short file is noticed before anything is written", async () => {
  const folder = folderWith(three("w.bin"), { "w.bin": data });
  truncateSync(join(folder, "w.bin"), 6 * kb - 1);
  expect(await codesOf(() => readModel(join(folder, "model.onnx")))).toEqual(["external-short"]);
});
