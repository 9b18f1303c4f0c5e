import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { abandonWrites, fillFolder } from "../../src/onnx/index.ts";
import { codesOf, freshFolder } from "./fixtures.ts";

/** Fills a folder with two files, one of them a level down. */
async function fill(folder: string): Promise<void> {
  mkdirSync(join(folder, "in"));
  for (const name of ["a", "in/b"]) writeFileSync(join(folder, name), name);
}

const below = (folder: string) => readdirSync(folder, { recursive: true }).sort();

test("a folder that is filled keeps what it has", async () => {
  const folder = freshFolder();
  writeFileSync(join(folder, "kept"), "");
  await fillFolder(folder, fill);
  await fillFolder(join(folder, "not/yet/"), fill);
  expect(below(folder)).toEqual([
    "a",
    "in",
    "in/b",
    "kept",
    "not",
    "not/yet",
    "not/yet/a",
    "not/yet/in",
    "not/yet/in/b",
  ]);
});

test("what is no folder is refused before anything is done", async () => {
  const folder = freshFolder();
  const file = join(folder, "file");
  writeFileSync(file, "");
  for (const out of [file, join(file, "x"), "/dev/null", "/dev/null/x"]) {
    const neverFilled = () => expect.unreachable();
    expect(await codesOf(() => fillFolder(out, neverFilled))).toEqual(["out-unwritable"]);
  }
  mkdirSync(join(folder, "a"));
  expect(await codesOf(() => fillFolder(folder, fill))).toEqual(["out-unwritable"]);
  expect(below(folder)).toEqual(["a", "file"]);
});

test("a failure leaves nothing, nor does an interruption", async () => {
  const folder = freshFolder();
  const out = join(folder, "out");
  const failing = fillFolder(out, async (aside) => {
    await fill(aside);
    throw new Error("half way");
  });
  await expect(failing).rejects.toThrow("half way");
  expect(below(folder)).toEqual([]);
  await fillFolder(out, async (aside) => {
    await fill(aside);
    expect(below(folder)).toHaveLength(4);
    abandonWrites();
    expect(below(folder)).toEqual([]);
  }).catch(() => {});
  expect(below(folder)).toEqual(["out"]);
});
