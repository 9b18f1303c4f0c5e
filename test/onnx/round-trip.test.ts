import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { onnx } from "onnx-proto";
import protobuf from "protobufjs";
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

test("what is said twice stays said twice, and the last counts", async () => {
  const folder = freshFolder();
  const [a, b] = ["1", "2"].map((value) => ({ key: "k", value }));
  const props = [a!, b!, a!].map((entry) => onnx.StringStringEntryProto.encode(entry).finish());
  const node = onnx.NodeProto.encode({ opType: "Relu", input: ["x"], output: ["y"] }).finish();
  const ports = { input: [{ name: "x" }], output: [{ name: "y" }] };
  const graph = onnx.GraphProto.encode({ name: "g", ...ports }).finish();
  const opsets = ["", "ai.onnx", "c", "c"].map((domain, i) => ({ domain, version: 20 - i }));
  const model = onnx.ModelProto.encode({ irVersion: 10, opsetImport: opsets }).finish();
  const body = Buffer.concat([node, ...props.map((entry) => field(9, entry))]);
  const nested = field(7, Buffer.concat([graph, field(1, body)]));
  const bytes = Buffer.concat([model, nested, ...props.map((entry) => field(14, entry))]);
  writeFileSync(join(folder, "model.onnx"), bytes);

  const read = await readModel(join(folder, "model.onnx"));
  expect([...read.opsets]).toEqual([
    ["", 19],
    ["c", 17],
  ]);
  expect([...read.metadata]).toEqual([["k", "1"]]);
  await writeModel(read, join(folder, "same.onnx"));
  expect(readFileSync(join(folder, "same.onnx")).equals(bytes)).toBe(true);

  read.metadata.set("new", "entry");
  await writeModel(read, join(folder, "more.onnx"));
  const { metadataProps } = decoded(readFileSync(join(folder, "more.onnx")));
  const entries = metadataProps!.map(({ key, value }) => `${key}=${value}`);
  expect(entries).toEqual(["k=1", "k=2", "k=1", "new=entry"]);
});

/** A field that holds a message. */
function field(number: number, content: Uint8Array): Uint8Array {
  return protobuf.Writer.create()
    .uint32((number << 3) | 2)
    .bytes(content)
    .finish();
}
