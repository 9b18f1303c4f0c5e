/** External data: where it may be. */
import { chmodSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readModel, tensorBytes, writeModel } from "../../src/onnx/index.ts";
import { at, type Entry, folderWith, pattern } from "./external-models.ts";
import { codesOf, digest, freshFolder } from "./fixtures.ts";

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

  test.each([
    ["w.data", "blobs/abc", "w.data is a symbolic link to blobs/abc"],
    ["sub/abc", "blobs", "a folder on its way is a symbolic link"],
  ])("behind a link inside of the folder: %s", async (location, target, note) => {
    const folder = folderWith([at(location)], { "blobs/abc": pattern(64) });
    symlinkSync(target, join(folder, location.split("/")[0]!));
    const error = await readModel(join(folder, "model.onnx")).catch((cause) => cause);
    expect(error.diagnostics[0].code).toBe("external-no-file");
    expect(error.diagnostics[0].notes[0]).toContain(note);
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

test("the way to the model may be a link", async () => {
  const folder = folderWith([at("w.data")], { "w.data": pattern(64) });
  const link = join(freshFolder(), "link");
  symlinkSync(folder, link);
  const { graph } = await readModel(join(link, "model.onnx"));
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
