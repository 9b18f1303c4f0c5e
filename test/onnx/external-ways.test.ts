/** External data: ways of writing it, and what stays with it. */
import { cpSync, readFileSync, symlinkSync, truncateSync } from "node:fs";
import { basename, join } from "node:path";
import { onnx } from "onnx-proto";
import { describe, expect, test } from "vitest";
import { inMemory } from "../../src/ir/bytes.ts";
import { type External, readModel, writeModel } from "../../src/onnx/index.ts";
import {
  data,
  folderWith,
  graft,
  kb,
  locationsOf,
  pattern,
  three,
  weightsOf,
} from "./external-models.ts";
import { codesOf, digest, filesIn, freshFolder } from "./fixtures.ts";

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

  test("a data file to which nothing refers any more is told of", async () => {
    const folder = inlineModel();
    const out = join(folder, "out.onnx");
    const left = async (external: External) => (await write(folder, out, external)).left;
    expect(await left("file")).toBe(null);
    expect(await left("file")).toBe(null);
    expect(await left("inline")).toBe(`${out}.data`);
    // Of nobody's any more, so of no concern.
    expect(await left("inline")).toBe(null);
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
