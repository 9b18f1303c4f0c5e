import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { GraftError } from "../../src/diag/diagnostic.ts";
import { inMemory } from "../../src/ir/bytes.ts";
import { readSafetensors, type StoredTensor, writeSafetensors } from "../../src/onnx/index.ts";
import { codesOf, filesIn, freshFolder } from "./fixtures.ts";

/** Written by the reference implementation. */
const recorded = readdirSync("test/fixtures/models")
  .filter((name) => name.endsWith(".safetensors"))
  .map((name) => join("test/fixtures/models", name));

test.each(recorded)("%s is read, and written as the reference does", async (path) => {
  const { tensors, metadata } = readSafetensors(path);
  const out = join(freshFolder(), "out.safetensors");
  await writeSafetensors(out, tensors, Object.fromEntries(metadata));
  expect(readFileSync(out).equals(readFileSync(path))).toBe(true);
});

test("tensors are where the header says", () => {
  const { tensors } = readSafetensors("test/fixtures/models/dit-tiny-dynamo20.io.safetensors");
  expect([...tensors].map(([name, { dtype, shape }]) => [name, dtype, shape])).toEqual([
    ["in.t", "int64", [2]],
    ["in.y", "int64", [2]],
    ["in.x", "float32", [2, 4, 8, 8]],
    ["out.out", "float32", [2, 8, 8, 8]],
  ]);
});

function fileOf(header: unknown, data: number, length?: number): Buffer {
  const json = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(length ?? json.length));
  return Buffer.concat([size, json, Buffer.alloc(data)]);
}

const f32 = (shape: unknown, offsets: unknown) => ({ dtype: "F32", shape, data_offsets: offsets });

describe("refused:", () => {
  const files: [string, Buffer][] = [
    ["an empty file", Buffer.alloc(0)],
    ["a header that does not end", fileOf("{}", 0, 100)],
    ["a header of gigabytes", fileOf("{}", 0, 2 ** 40)],
    ["a header that is no JSON", fileOf("{x", 0)],
    ["a header that is a list", fileOf([], 0)],
    ["null", fileOf("null", 0)],
    ["a tensor that is null", fileOf({ a: null }, 4)],
    ["an unknown type", fileOf({ a: { dtype: "F31", shape: [1], data_offsets: [0, 4] } }, 4)],
    ["a negative size", fileOf({ a: f32([-1], [0, 4]) }, 4)],
    ["a size that is no number", fileOf({ a: f32(["1"], [0, 4]) }, 4)],
    ["sizes beyond numbers", fileOf({ a: f32([2 ** 40, 2 ** 40], [0, 4]) }, 4)],
    ["offsets beyond the end", fileOf({ a: f32([2], [0, 8]) }, 4)],
    ["offsets in the wrong order", fileOf({ a: f32([1], [4, 0]) }, 4)],
    ["one offset", fileOf({ a: f32([1], [0]) }, 4)],
    ["a size that does not fit", fileOf({ a: f32([2], [0, 4]) }, 4)],
    ["an overlap", fileOf({ a: f32([1], [0, 4]), b: f32([1], [2, 6]) }, 8)],
  ];
  test.each(files)("%s", async (_, bytes) => {
    const path = join(freshFolder(), "a.safetensors");
    writeFileSync(path, bytes);
    expect(await codesOf(() => readSafetensors(path))).toEqual(["safetensors-malformed"]);
  });

  test.each([
    ["PyTorch's own format", Buffer.from("PK\u0003\u0004 and more of it")],
    ["an index in JSON", Buffer.from('{"metadata": {"total_size": 8}}')],
  ])("%s, by its name", (what, bytes) => {
    const path = join(freshFolder(), "a.safetensors");
    writeFileSync(path, bytes);
    expect(() => readSafetensors(path)).toThrow(what);
  });

  test("places that cannot be read or written", async () => {
    const folder = freshFolder();
    expect(await codesOf(() => readSafetensors(folder))).toEqual(["file-unreadable"]);
    expect(await codesOf(() => readSafetensors(join(folder, "no")))).toEqual(["file-unreadable"]);
    expect(await codesOf(() => writeSafetensors(folder, []))).toEqual(["out-folder"]);
  });

  test("whatever else is damaged, by a diagnostic", () => {
    const good = readFileSync("test/fixtures/models/vit-dynamo20.io.safetensors").subarray(0, 400);
    const path = join(freshFolder(), "a.safetensors");
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), fc.nat(good.length), (at, byte, end) => {
        const bytes = Buffer.from(good.subarray(0, Math.max(end, 200)));
        bytes[at % bytes.length] = byte;
        writeFileSync(path, bytes);
        try {
          readSafetensors(path);
        } catch (cause) {
          if (!(cause instanceof GraftError)) throw cause;
        }
      }),
      { numRuns: 500, seed: 4 },
    );
  });
});

test("a write that fails leaves the old file", async () => {
  const folder = freshFolder();
  const path = join(folder, "a.safetensors");
  const good: StoredTensor = { dtype: "uint8", shape: [2], data: inMemory(Uint8Array.of(1, 2)) };
  await writeSafetensors(path, [["a", good]], { made: "here" });
  const before = filesIn(folder);
  const data = {
    kind: "computed" as const,
    length: 2,
    compute: () => {
      throw new Error("stop");
    },
  };
  await expect(writeSafetensors(path, [["a", { ...good, data }]])).rejects.toThrow("stop");
  expect(filesIn(folder)).toEqual(before);
  expect(readSafetensors(path).metadata).toEqual(new Map([["made", "here"]]));
});
