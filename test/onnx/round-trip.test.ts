import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { onnx } from "onnx-proto";
import { describe, expect, test } from "vitest";
import { readModel, writeModel } from "../../src/onnx/index.ts";
import { backendModels, digest, everything, exported, filesIn, freshFolder } from "./fixtures.ts";

/** The files that belong to a model: itself and its data. */
const dataOf: Record<string, readonly string[]> = {
  "dit-tiny-external.onnx": ["dit-tiny-external.onnx.data"],
  "everything.onnx": ["everything.data", "weights/second.bin"],
};

describe.each([...exported, everything])("%s without edits", (path) => {
  const name = basename(path);
  const names = [name, ...(dataOf[name] ?? [])];
  const originals = Object.fromEntries(
    names.map((file) => [file, digest(readFileSync(join(dirname(path), file)))]),
  );

  test("is byte-identical under its base name", async () => {
    const folder = freshFolder();
    await writeModel(await readModel(path), join(folder, name));
    expect(filesIn(folder)).toEqual(originals);
  });

  test("differs in the name of a sole data file under another", async () => {
    const folder = freshFolder();
    await writeModel(await readModel(path), join(folder, "other.onnx"));
    const { "other.onnx": model, ...data } = filesIn(folder);
    const sole = dataOf[name]?.length === 1;
    const expected = Object.entries(originals)
      .slice(1)
      .map(([file, content]) => [sole ? "other.onnx.data" : file, content]);
    expect(data).toEqual(Object.fromEntries(expected));
    if (!sole) expect(model).toBe(originals[name]);
    else {
      const written = withLocation(readFileSync(join(folder, "other.onnx")), names[1]!);
      expect(JSON.stringify(written)).toBe(JSON.stringify(decoded(readFileSync(path))));
    }
  });

  test("is byte-identical when read through a window", async () => {
    const folder = freshFolder();
    await writeModel(await readModel(path, { holdUpTo: 0 }), join(folder, name));
    expect(filesIn(folder)).toEqual(originals);
  });
});

function decoded(bytes: Buffer): onnx.ModelProto {
  return onnx.ModelProto.decode(bytes);
}

/** As somebody else's code decodes it, the location strings put back. */
function withLocation(bytes: Buffer, location: string): onnx.ModelProto {
  const model = decoded(bytes);
  for (const { externalData } of model.graph!.initializer!) {
    for (const entry of externalData ?? []) {
      if (entry.key !== "location") continue;
      expect(entry.value).toBe("other.onnx.data");
      entry.value = location;
    }
  }
  return model;
}

test("all of ONNX's backend test data stays byte-identical", async () => {
  const folder = freshFolder();
  const models = backendModels();
  expect(models.length).toBe(2059);
  const changed: string[] = [];
  mkdirSync(join(folder, "in"));
  for (const [i, { name, bytes }] of models.entries()) {
    const path = join(folder, "in", "model.onnx");
    writeFileSync(path, bytes);
    const out = join(folder, i % 2 === 0 ? "model.onnx" : "other.onnx");
    await writeModel(await readModel(path), out);
    if (!readFileSync(out).equals(bytes)) changed.push(name);
  }
  expect(changed).toEqual([]);
});
